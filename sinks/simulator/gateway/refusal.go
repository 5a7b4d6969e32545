package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidwall/gjson"
)

// Refusal is one row of an API's error catalogue.
type Refusal struct {
	Status              int
	Code, Title, Detail string
	Pointer, Header     string // the place of the error, in the body or among the headers
	Meta                any
	RetryAfter          time.Duration
}

// At returns the refusal with the place of the error.
func (f Refusal) At(pointer string) Refusal { f.Pointer = pointer; return f }

// Saying returns the refusal with another detail.
func (f Refusal) Saying(detail string) Refusal { f.Detail = detail; return f }

// RetryIn returns the refusal with a Retry-After.
func (f Refusal) RetryIn(wait time.Duration) Refusal { f.RetryAfter = wait; return f }

// InternalError is the backend's 500.
var InternalError = Refusal{Status: 500, Code: "CM_INTERNAL_SERVER_ERROR", Title: "Error processing request", Detail: "There was an internal error whilst processing this request."}

var (
	notReceived    = Refusal{Status: 408, Code: "CM_TIMEOUT", Title: "Request timeout", Detail: "The service was unable to receive your request within the timeout period."}
	badGateway     = Refusal{Status: 502, Code: "CM_BAD_GATEWAY", Title: "Unable to call service", Detail: "A downstream service is not responding."}
	unavailable    = Refusal{Status: 503, Code: "CM_SERVICE_UNAVAILABLE", Title: "The service is currently unavailable", Detail: "The service is currently not able to process this request, try again later."}
	gatewayTimeout = Refusal{Status: 504, Code: "CM_TIMEOUT", Title: "Unable to call service", Detail: "The downstream service has not responded within the configured timeout period."}
)

// EncodeJSON writes a value made of strings, numbers and lists of them. Such a value cannot
// fail to encode.
func EncodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("simulator: encoding a reply: %v", err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}

// Member returns a property of a JSON object. Of a repeated name the last one counts, as
// JSON.parse has it. What is no object has no properties.
func Member(v gjson.Result, name string) (found gjson.Result) {
	if v.IsObject() {
		v.ForEach(func(key, value gjson.Result) bool {
			if key.Str == name {
				found = value
			}
			return true
		})
	}
	return found
}

// Elements returns the values of a JSON array. What is no array has none.
func Elements(v gjson.Result) []gjson.Result {
	if !v.IsArray() {
		return nil
	}
	return v.Array()
}

// ValidNHSNumber checks the check digit (modulus 11). Ten equal digits with a correct sum
// pass, as they do at the live gateway.
func ValidNHSNumber(s string) bool {
	if len(s) != 10 {
		return false
	}
	sum := 0
	for i := range 10 {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
		if i < 9 {
			sum += int(s[i]-'0') * (10 - i)
		}
	}
	return (11-sum%11)%11 == int(s[9]-'0')
}
