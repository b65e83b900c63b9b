/** The same hello in each language, as an author would write it. */
export const HELLO = {
  node: {
    file: (name: string): string => `functions/${name}.js`,
    text: `export default { fetch: () => new Response('Hello World!') };\n`,
  },
  python: {
    file: (name: string): string => `functions/${name}.py`,
    text: 'def handler(event, context):\n    return "Hello World!"\n',
  },
  go: {
    file: (name: string): string => `functions/${name}/main.go`,
    text: `package main

import (
	"io"
	"net/http"

	lambent "lambent.dev/go"
)

func main() {
	lambent.Start(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "Hello World!") }))
}
`,
  },
} as const;
