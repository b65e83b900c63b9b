package main

import (
	"fmt"
	"net/http"

	lambent "lambent.dev/go"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "Hello from __app__. Try /hello/Ada")
	})
	mux.HandleFunc("GET /hello/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "Hello %s\n", r.PathValue("name"))
	})
	lambent.Start(mux)
}
