package event

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"regexp"
	"sort"
	"strconv"
	"strings"

	"lambent.dev/go/internal/instance"
)

const (
	// ResultBytesMax is the largest result of an event call (AWS Lambda's own limit).
	ResultBytesMax = 6 * 1024 * 1024
	// preludeBytesMax is how long the JSON may be that a streamed answer begins with.
	preludeBytesMax = 64 * 1024
	streamBytes     = 32 * 1024
	preludeType     = "application/vnd.awslambda.http-integration-response"
)

var preludeEnd = make([]byte, 8)

// headerValue allows what a header may hold; the platform checks it again.
var headerName = regexp.MustCompile("^[!#$%&'*+\\-.^_`|~0-9A-Za-z]+$")

// ResultTooLarge is the failure of a result that is over the limit.
func ResultTooLarge(size int) *instance.Failure {
	return &instance.Failure{
		Code:         "E_RESPONSE_TOO_LARGE",
		ErrorType:    "ResultTooLarge",
		ErrorMessage: fmt.Sprintf("the result has %d bytes; at most %d (6 MiB) fit in the answer to an event call", size, ResultBytesMax),
	}
}

func invalid(format string, args ...any) *instance.Failure {
	return &instance.Failure{
		Code:         "E_FUNCTION_RESPONSE_INVALID",
		ErrorType:    "InvalidResponse",
		ErrorMessage: fmt.Sprintf(format, args...),
	}
}

// NotJSON is the failure of a result that cannot be written as JSON.
func NotJSON(err error) *instance.Failure {
	return invalid("the handler returned a value that cannot be written as JSON: %v", err)
}

// JSON writes JSON as JavaScript does: without escaping what only HTML would care about.
func JSON(value any) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), nil
}

// Answer ends a call with a handler's result, which is JSON. It returns what is wrong with it, if anything is.
func Answer(inv *instance.Invocation, result []byte) *instance.Failure {
	if inv.Cancelled() != nil {
		inv.End()
		return nil
	}
	if !inv.IsHTTP {
		if len(result) > ResultBytesMax {
			return ResultTooLarge(len(result))
		}
		_ = inv.Result(result, true)
		inv.End()
		return nil
	}
	if response, is := parseResponse(result); is {
		return answerResponse(inv, response)
	}
	body := result
	var text string
	if len(result) > 0 && result[0] == '"' && json.Unmarshal(result, &text) == nil {
		body = []byte(text)
	}
	answer(inv, 200, []byte("content-type: application/json\r\n"), body)
	return nil
}

// HTTPResponse is what a handler returns to set status and headers.
type HTTPResponse struct {
	StatusCode        int                 `json:"statusCode"`
	Headers           map[string]string   `json:"headers,omitempty"`
	MultiValueHeaders map[string][]string `json:"multiValueHeaders,omitempty"`
	Cookies           []string            `json:"cookies,omitempty"`
	Body              string              `json:"body,omitempty"`
	IsBase64Encoded   bool                `json:"isBase64Encoded,omitempty"`
}

// looseResponse is a response as it may come: with other types than it should have.
type looseResponse struct {
	StatusCode        json.RawMessage `json:"statusCode"`
	Headers           map[string]any  `json:"headers"`
	MultiValueHeaders map[string]any  `json:"multiValueHeaders"`
	Cookies           []string        `json:"cookies"`
	Body              any             `json:"body"`
	IsBase64Encoded   bool            `json:"isBase64Encoded"`
	problem           error
}

// parseResponse says whether a result is a response: an object with `statusCode`.
func parseResponse(result []byte) (*looseResponse, bool) {
	if len(result) == 0 || result[0] != '{' || !bytes.Contains(result, []byte(`"statusCode"`)) {
		return nil, false
	}
	response := &looseResponse{}
	response.problem = json.Unmarshal(result, response)
	status := string(response.StatusCode)
	return response, status != "" && status != "null"
}

func statusOf(raw json.RawMessage) (int, *instance.Failure) {
	status, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil || status < 200 || status > 599 {
		return 0, invalid("the handler returned statusCode %s; it must be a whole number from 200 to 599", raw)
	}
	return status, nil
}

func answerResponse(inv *instance.Invocation, response *looseResponse) *instance.Failure {
	status, failure := statusOf(response.StatusCode)
	if failure != nil {
		return failure
	}
	if response.problem != nil {
		return invalid("the handler returned a response that is not valid: %v", response.problem)
	}
	block, typed, failure := headerBlock(response)
	if failure != nil {
		return failure
	}
	var body []byte
	switch text := response.Body.(type) {
	case nil:
	case string:
		body = []byte(text)
		if response.IsBase64Encoded {
			decoded, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return invalid("the handler returned a body that is not base64: %v", err)
			}
			body = decoded
		}
	default:
		return invalid("the handler returned a body of type %T; it must be a string", text)
	}
	if !typed && len(body) > 0 {
		block = append(block, "content-type: text/plain; charset=utf-8\r\n"...)
	}
	answer(inv, status, block, body)
	return nil
}

func headerBlock(response *looseResponse) (block []byte, typed bool, failure *instance.Failure) {
	add := func(name string, value any) {
		var text string
		switch value := value.(type) {
		case nil:
			return
		case string:
			text = value
		case bool, float64:
			text = fmt.Sprint(value)
		default:
			failure = invalid("the handler returned the header %s with a value of type %T; it must be a string", name, value)
			return
		}
		key := strings.ToLower(name)
		switch {
		case key == "content-length" || key == "connection" || key == "transfer-encoding":
			return
		case !headerName.MatchString(name) || strings.ContainsAny(text, "\r\n\x00"):
			failure = invalid("the handler returned a header that is not valid: %q: %q", name, text)
			return
		}
		typed = typed || key == "content-type"
		block = append(block, key+": "+textproto.TrimString(text)+"\r\n"...)
	}
	for _, group := range []map[string]any{response.Headers, response.MultiValueHeaders} {
		names := make([]string, 0, len(group))
		for name := range group {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			if several, is := group[name].([]any); is {
				for _, one := range several {
					add(name, one)
				}
			} else {
				add(name, group[name])
			}
		}
	}
	for _, cookie := range response.Cookies {
		add("set-cookie", cookie)
	}
	return block, typed, failure
}

func answer(inv *instance.Invocation, status int, block, body []byte) {
	if status == 204 || status == 304 {
		body = nil
	} else {
		block = append(block, "content-length: "+strconv.Itoa(len(body))+"\r\n"...)
	}
	if inv.HTTP.Method == "HEAD" {
		body = nil
	}
	_ = inv.Respond(status, block, body, true)
	inv.End()
}

// Stream ends a call with what a reader gives, as it comes. A stream of AWS's type for HTTP begins with status and
// headers as JSON, then eight zero bytes. It returns what went wrong before the answer began, or while it went on.
func Stream(inv *instance.Invocation, source io.Reader, contentType string) error {
	if contentType == "" {
		contentType = "application/octet-stream"
	}
	status, block := 200, []byte("content-type: "+contentType+"\r\n")
	var first []byte
	if contentType == preludeType {
		prelude, rest, err := readPrelude(source)
		if err != nil {
			return err
		}
		first = rest
		response := &looseResponse{StatusCode: json.RawMessage("200")}
		if err := json.Unmarshal(prelude, response); err != nil {
			return fmt.Errorf("the head of the streamed answer is not JSON: %w", err)
		}
		var failure *instance.Failure
		if status, failure = statusOf(response.StatusCode); failure != nil {
			return failure
		}
		var typed bool
		if block, typed, failure = headerBlock(response); failure != nil {
			return failure
		}
		if !typed {
			block = append(block, "content-type: application/octet-stream\r\n"...)
		}
	}
	var err error
	if inv.IsHTTP {
		err = inv.Respond(status, block, first, false)
	} else {
		err = inv.Result(first, false)
	}
	if err != nil {
		inv.End()
		return nil
	}
	return copyBody(inv, source)
}

func copyBody(inv *instance.Invocation, source io.Reader) error {
	chunk := make([]byte, streamBytes)
	for {
		n, err := source.Read(chunk)
		if n > 0 && inv.WriteBody(chunk[:n], false) != nil {
			break // Nobody waits any more.
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
	}
	inv.End()
	return nil
}

func readPrelude(source io.Reader) (prelude, rest []byte, err error) {
	var head []byte
	chunk := make([]byte, streamBytes)
	for {
		n, err := source.Read(chunk)
		head = append(head, chunk[:n]...)
		if end := bytes.Index(head, preludeEnd); end >= 0 {
			return head[:end], head[end+len(preludeEnd):], nil
		}
		if err == io.EOF || len(head) > preludeBytesMax {
			return nil, nil, fmt.Errorf("the streamed answer has no end of its head in its first %d bytes", len(head))
		}
		if err != nil {
			return nil, nil, err
		}
	}
}
