// `java Client.java URL USER SECRET COUNT`: java.net.http as it comes, which offers h2c.
import java.net.Authenticator;
import java.net.PasswordAuthentication;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

public class Client {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newBuilder().authenticator(new Authenticator() {
            @Override
            protected PasswordAuthentication getPasswordAuthentication() {
                return new PasswordAuthentication(args[1], args[2].toCharArray());
            }
        }).build();
        for (int number = 0; number < Integer.parseInt(args[3]); number++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(args[0] + "/echo"));
            if (number % 2 == 1) {
                request.POST(BodyPublishers.ofString("hello"));
            }
            System.out.println(client.send(request.build(), BodyHandlers.ofString()).body());
        }
    }
}
