// Package event turns requests into events and results into answers, by the rules of API Gateway's payload format
// 2.0: AWS's documentation "Working with AWS Lambda proxy integrations for HTTP APIs". The runtime of Node.js does
// the same in runtimes/node/lambda-event.ts.
package event

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"regexp"
	"strings"
	"time"

	"lambent.dev/go/internal/instance"
)

// bodyBytesMax: a request's body is held in memory as a whole.
const bodyBytesMax = 64 * 1024 * 1024

var errBodyTooLarge = errors.New("the body of the request is over 64 MiB, too much for an event")

// HTTPRequest is the event of an HTTP request.
type HTTPRequest struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	RequestContext        RequestContext    `json:"requestContext"`
	Body                  string            `json:"body,omitempty"`
	// IsBase64Encoded is true for a body that is not text.
	IsBase64Encoded bool `json:"isBase64Encoded"`
}

// RequestContext says where a request came from.
type RequestContext struct {
	AccountID    string      `json:"accountId"`
	APIID        string      `json:"apiId"`
	DomainName   string      `json:"domainName"`
	DomainPrefix string      `json:"domainPrefix"`
	HTTP         RequestLine `json:"http"`
	RequestID    string      `json:"requestId"`
	RouteKey     string      `json:"routeKey"`
	Stage        string      `json:"stage"`
	// Time is as in `12/Mar/2020:19:03:58 +0000`.
	Time string `json:"time"`
	// TimeEpoch is in milliseconds.
	TimeEpoch int64 `json:"timeEpoch"`
}

// RequestLine is what a request asked for.
type RequestLine struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// Payload reads what a handler gets: the event itself, or the event of an HTTP request. An empty event is `{}`.
func Payload(inv *instance.Invocation) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(inv, bodyBytesMax+1))
	if err != nil {
		return nil, err
	}
	if len(body) > bodyBytesMax {
		return nil, errBodyTooLarge
	}
	if inv.IsHTTP {
		return json.Marshal(newHTTPRequest(inv, body))
	}
	if len(body) == 0 {
		return []byte("{}"), nil
	}
	return body, nil
}

func newHTTPRequest(inv *instance.Invocation, body []byte) *HTTPRequest {
	head := &inv.HTTP
	headers, cookies := readHeaders(head.Lines)
	path, query, _ := strings.Cut(head.Target, "?")
	domain, known := headers["host"]
	if !known {
		domain = "localhost"
	}
	prefix, _, _ := strings.Cut(domain, ".")
	prefix, _, _ = strings.Cut(prefix, ":")
	_, function, _, _ := instance.Here.Function()
	routeKey := awsRouteKey(head.Route)
	now := time.Now()
	request := &HTTPRequest{
		Version:               "2.0",
		RouteKey:              routeKey,
		RawPath:               path,
		RawQueryString:        query,
		Cookies:               cookies,
		Headers:               headers,
		QueryStringParameters: pairs(query, true),
		PathParameters:        pairs(head.Params, false),
		RequestContext: RequestContext{
			AccountID:    "000000000000",
			APIID:        function,
			DomainName:   domain,
			DomainPrefix: prefix,
			HTTP: RequestLine{
				Method:    head.Method,
				Path:      path,
				Protocol:  "HTTP/1.1",
				SourceIP:  head.RemoteAddr,
				UserAgent: headers["user-agent"],
			},
			RequestID: inv.Info.RequestID,
			RouteKey:  routeKey,
			Stage:     "$default",
			Time:      now.UTC().Format("02/Jan/2006:15:04:05 -0700"),
			TimeEpoch: now.UnixMilli(),
		},
	}
	if rest, known := request.PathParameters["*"]; known {
		// What the route calls `*`, AWS calls `proxy`.
		delete(request.PathParameters, "*")
		request.PathParameters["proxy"] = rest
	}
	if len(body) > 0 {
		request.IsBase64Encoded = !isText(headers["content-type"], headers["content-encoding"])
		if request.IsBase64Encoded {
			request.Body = base64.StdEncoding.EncodeToString(body)
		} else {
			request.Body = strings.ToValidUTF8(string(body), "\uFFFD")
		}
	}
	return request
}

func readHeaders(lines []string) (headers map[string]string, cookies []string) {
	headers = make(map[string]string, len(lines))
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		if name == "cookie" {
			for _, cookie := range strings.Split(value, ";") {
				if cookie = strings.TrimSpace(cookie); cookie != "" {
					cookies = append(cookies, cookie)
				}
			}
		} else if before, known := headers[name]; known {
			headers[name] = before + "," + value
		} else {
			headers[name] = value
		}
	}
	return headers, cookies
}

// pairs of `a=1&b=2`; several values of one name are joined by a comma, as AWS does. A malformed escape stays as it is.
func pairs(text string, plusIsSpace bool) map[string]string {
	if text == "" {
		return nil
	}
	decode := url.PathUnescape
	if plusIsSpace {
		decode = url.QueryUnescape
	}
	plain := func(part string) string {
		if decoded, err := decode(part); err == nil {
			return decoded
		}
		return part
	}
	result := map[string]string{}
	for _, part := range strings.Split(text, "&") {
		if part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		name, value = plain(name), plain(value)
		if before, known := result[name]; known {
			value = before + "," + value
		}
		result[name] = value
	}
	return result
}

var (
	parameter = regexp.MustCompile(`:([A-Za-z0-9_]+)`)
	rest      = regexp.MustCompile(`/\*([A-Za-z0-9_]*)$`)
	textType  = regexp.MustCompile(`(?i)^\s*(?:text/|application/(?:json|javascript|ecmascript|xml|graphql|x-ndjson|[^;\s]+\+(?:json|xml))(?:[;\s]|$))`)
)

// awsRouteKey writes `GET /users/:id` and `GET /files/*` as AWS does: `GET /users/{id}`, `GET /files/{proxy+}`.
func awsRouteKey(route string) string {
	if !strings.ContainsAny(route, ":*") {
		return route
	}
	key := parameter.ReplaceAllString(route, "{$1}")
	return rest.ReplaceAllStringFunc(key, func(found string) string {
		name := found[2:]
		if name == "" {
			name = "proxy"
		}
		return "/{" + name + "+}"
	})
}

// isText says whether AWS would hand over such a body as text; everything else comes in base64.
func isText(contentType, contentEncoding string) bool {
	return (contentEncoding == "" || contentEncoding == "identity") && textType.MatchString(contentType)
}
