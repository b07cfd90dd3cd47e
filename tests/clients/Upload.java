// `java Upload.java URL SIZE`: what java.net.http gets for two uploads.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;

public class Upload {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        byte[] body = new byte[Integer.parseInt(args[1])];
        for (int count = 0; count < 2; count++) {
            HttpRequest request = HttpRequest.newBuilder(URI.create(args[0]))
                .POST(BodyPublishers.ofByteArray(body)).build();
            System.out.println(client.send(request, BodyHandlers.ofString()).statusCode());
        }
    }
}
