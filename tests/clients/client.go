// `go run client.go URL USER SECRET`: Go's net/http.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

var reused, continued bool

func ask(method, path string, body io.Reader, expect bool) []byte {
	request, err := http.NewRequest(method, os.Args[1]+path, body)
	if err != nil {
		panic(err)
	}
	request.SetBasicAuth(os.Args[2], os.Args[3])
	if expect {
		request.Header.Set("Expect", "100-continue")
	}
	trace := &httptrace.ClientTrace{
		GotConn:        func(info httptrace.GotConnInfo) { reused = info.Reused },
		Got100Continue: func() { continued = true },
	}
	request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		panic(err)
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != 200 {
		panic(fmt.Sprint(answer.Status, err))
	}
	return said
}

func main() {
	http.DefaultTransport.(*http.Transport).ExpectContinueTimeout = time.Minute
	said := map[string]any{
		"get":     json.RawMessage(ask("GET", "/echo", nil, false)),
		"post":    json.RawMessage(ask("POST", "/echo", strings.NewReader("hello"), false)),
		"chunked": json.RawMessage(ask("PUT", "/echo", io.MultiReader(strings.NewReader("piece")), false)),
		"large":   len(ask("GET", "/large", nil, false)),
	}
	said["reused"] = reused
	said["expecting"] = json.RawMessage(ask("POST", "/echo", strings.NewReader("hello"), true))
	said["continued"] = continued
	json.NewEncoder(os.Stdout).Encode(said)
}
