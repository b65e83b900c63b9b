/** The app of test/go.test.ts: programs in Go of every kind, and what they call. */
import type { AppFiles } from './platform-harness.ts';

const HANDLER = `package main

import (
	"context"
	"fmt"
	"os"
	"time"

	lambent "lambent.dev/go"
)

type in struct {
	Do string \`json:"do"\`
}

var currency = os.Getenv("CURRENCY")

func main() {
	lambent.Start(func(ctx context.Context, event in) (any, error) {
		switch event.Do {
		case "print":
			fmt.Println("printed")
		case "bytes":
			os.Stdout.Write([]byte{'b', 0xff, '\\n'})
		case "panic":
			panic("dropped the cup")
		case "goroutine":
			go func() { panic("in a goroutine") }()
			<-ctx.Done()
		case "exit":
			os.Exit(3)
		case "block":
			<-make(chan int)
		case "spin":
			for time.Now().Year() > 0 {
			}
		}
		return map[string]any{"currency": currency, "pid": os.Getpid()}, nil
	})
}
`;

export const WEB = `package main

import (
	"fmt"
	"io"
	"net/http"

	lambent "lambent.dev/go"
)

func main() {
	http.HandleFunc("POST /web/{name}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s: ", r.PathValue("name"))
		w.(http.Flusher).Flush()
		io.Copy(w, r.Body)
	})
	lambent.Start(http.DefaultServeMux)
}
`;

const CALLER = `package main

import (
	"context"
	"errors"
	"strings"

	lambent "lambent.dev/go"
)

type order struct {
	Call string \`json:"call"\`
	Size int    \`json:"size"\`
}

type length struct {
	Length int    \`json:"length"\`
	Caller string \`json:"caller"\`
}

func main() {
	lambent.Start(func(ctx context.Context, in order) (any, error) {
		if in.Call == "emit" {
			return lambent.Emit(ctx, lambent.Event{Type: "order.placed", Subject: "order/7", Data: in.Size})
		}
		if in.Call == "later" {
			return lambent.InvokeAsync(ctx, "cup", map[string]string{"do": "print"})
		}
		if in.Call == "send" {
			codes := []string{}
			for _, body := range []any{"text", []byte{255}, in} {
				_, err := lambent.Send(ctx, "away", "x", lambent.Message{Body: body, ID: "one"})
				var failed *lambent.CallError
				if errors.As(err, &failed) {
					codes = append(codes, failed.Code)
				}
			}
			return codes, nil
		}
		got, err := lambent.Invoke[length](ctx, in.Call, strings.Repeat("x", in.Size))
		var failed *lambent.CallError
		if errors.As(err, &failed) {
			return []string{failed.Code, failed.ErrorType, failed.Message}, nil
		}
		return got, err
	})
}
`;

const PLACED = `package main

import (
	"context"
	"log"

	lambent "lambent.dev/go"
)

func main() {
	lambent.Start(func(ctx context.Context, event lambent.Event) error {
		log.Print("heard of ", event.ID, " ", event.Subject, " ", event.Data)
		return nil
	})
}
`;

const AWS = `package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type key struct{}

func handle(ctx context.Context, request events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	facts, _ := lambdacontext.FromContext(ctx)
	if request.RawPath == "/aws/trace" {
		body := fmt.Sprint(ctx.Value("x-amzn-trace-id"), " ", os.Getenv("_X_AMZN_TRACE_ID"))
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Body: body}, nil
	}
	if request.RawPath == "/aws/fail" {
		return events.APIGatewayV2HTTPResponse{}, errors.New("no luck")
	}
	return events.APIGatewayV2HTTPResponse{
		StatusCode: 201,
		Headers:    map[string]string{"X-Function": lambdacontext.FunctionName},
		Cookies:    []string{"a=1"},
		Body: strings.Join([]string{request.RequestContext.HTTP.Method, request.RawPath, request.Body,
			ctx.Value(key{}).(string), facts.InvokedFunctionArn}, " "),
	}, nil
}

func main() { lambda.StartWithOptions(handle, lambda.WithContextValue(key{}, "value")) }
`;

/** Every signature that the module documents, by the name of its function. */
const AWS_SIGNATURES: Record<string, string> = {
  none: 'func() {}',
  takes: 'func(in string) { print(in) }',
  fails: 'func() error { return errors.New("failed") }',
  checks: 'func(in string) error { if in == "" { return errors.New("empty") }; return nil }',
  gives: 'func() (string, error) { return "given", nil }',
  maps: 'func(in int) (int, error) { return in * 2, nil }',
  context: 'func(ctx context.Context) error { return ctx.Err() }',
  asks: 'func(ctx context.Context) (string, error) { return "asked", nil }',
  whole:
    'func(ctx context.Context, in []string) (map[string]int, error) { return map[string]int{"n": len(in)}, nil }',
  reads: 'func() (io.Reader, error) { return strings.NewReader("<p>stream</p>"), nil }',
};

const signatureProgram = (): string => `package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

var handlers = map[string]any{
${Object.entries(AWS_SIGNATURES)
  .map(([name, code]) => `\t"${name}": ${code},`)
  .join('\n')}
}

var (
	_ context.Context
	_ io.Reader
	_ = errors.New
	_ = strings.NewReader
)

func main() { lambda.Start(handlers[os.Getenv("SIGNATURE")]) }
`;

const GO_MOD = 'module example.com/shop\n\ngo 1.22\n\nrequire github.com/aws/aws-lambda-go v1.54.0\n';

export const shop: AppFiles = {
  'lambent.yaml': `app: shop
env: { CURRENCY: EUR }
connections: { away: { kind: redis, host: 127.0.0.1, port: 1 } }
functions:
  cup: { timeout: 1s, concurrency: 1 }
  crowd: { entry: functions/cup/main.go, timeout: 1s, concurrency: 10, maxInstances: 1 }
  web: {}
  caller: { connections: [away] }
  placed: { entry: functions/placed/main.go, on: [{ events: { type: [order.placed] } }] }
  length: { entry: functions/node.js, handler: length }
  throws: { entry: functions/node.js, handler: throws }
  aws: {}
  node: {}
${Object.keys(AWS_SIGNATURES)
  .map((name) => `  ${name}: { entry: functions/signature/main.go, env: { SIGNATURE: ${name} } }`)
  .join('\n')}
`,
  'go.mod': GO_MOD,
  'functions/cup/main.go': HANDLER,
  'functions/web/main.go': WEB,
  'functions/caller/main.go': CALLER,
  'functions/placed/main.go': PLACED,
  'functions/aws/main.go': AWS,
  'functions/signature/main.go': signatureProgram(),
  'functions/node.js': `export default () => 'node';
export const length = (text, { caller }) => ({ length: text.length, caller: caller.function });
export const throws = () => { throw new RangeError('too far'); };
`,
};
