package simulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

const (
	aboutLink      = "https://digital.nhs.uk/developer/api-catalogue/nhs-notify"
	nhsNumbersLink = "https://www.datadictionary.nhs.uk/attributes/nhs_number.html"

	pointerPlan     = "/data/attributes/routingPlanId"
	pointerMessages = "/data/attributes/messages"
)

// refusal is one row of the error catalogue: what an error says, without the id
// that one reply gives it.
type refusal struct {
	status              int
	code, title, detail string
	pointer, header     string
	meta                any
	retryAfter          time.Duration
}

func (f refusal) at(pointer string) refusal            { f.pointer = pointer; return f }
func (f refusal) saying(detail string) refusal         { f.detail = detail; return f }
func (f refusal) retryIn(wait time.Duration) refusal   { f.retryAfter = wait; return f }
func (f refusal) withMeta(meta map[string]any) refusal { f.meta = meta; return f }

// The catalogue.
var (
	missingValue     = refusal{status: 400, code: "CM_MISSING_VALUE", title: "Missing property", detail: "The property at the specified location is required, but was not present in the request."}
	nullValue        = refusal{status: 400, code: "CM_NULL_VALUE", title: "Property cannot be null", detail: "The property at the specified location is required, but a null value was passed in the request."}
	invalidValue     = refusal{status: 400, code: "CM_INVALID_VALUE", title: "Invalid value", detail: "The property at the specified location does not allow this value."}
	invalidNHSNumber = refusal{status: 400, code: "CM_INVALID_NHS_NUMBER", title: "Invalid nhs number", detail: "The value provided in this nhsNumber field is not a valid NHS number."}
	duplicateValue   = refusal{status: 400, code: "CM_DUPLICATE_VALUE", title: "Duplicate value", detail: "The property at the specified location is a duplicate, duplicated values are not allowed."}
	tooFewItems      = refusal{status: 400, code: "CM_TOO_FEW_ITEMS", title: "Too few items", detail: "The property at the specified location contains too few items."}
	odsCodeRequired  = refusal{status: 400, code: "CM_ODS_CODE_REQUIRED", title: "Originator odsCode must be provided", detail: "An originator with odsCode must be provided, as your account does not have a default ODS code.", pointer: pointerMessages}
	cannotSetODSCode = refusal{status: 400, code: "CM_CANNOT_SET_ODS_CODE", title: "Cannot set ODS code", detail: "Your account is not permitted to set originator ODS codes.", pointer: pointerMessages}
	cannotSetContact = refusal{status: 400, code: "CM_CANNOT_SET_CONTACT_DETAILS", title: "Cannot set contact details", detail: "Client is not allowed to provide alternative contact details."}

	denied     = refusal{status: 401, code: "CM_DENIED", title: "Access denied", detail: "Access token missing, invalid or expired, or calling application not configured for this operation.", header: "Authorization"}
	forbidden  = refusal{status: 403, code: "CM_FORBIDDEN", title: "Forbidden", detail: "Client not recognised or not yet onboarded.", header: "Authorization"}
	serviceBan = refusal{status: 403, code: "CM_SERVICE_BAN", title: "Service ban in effect", detail: "A service ban is in effect on your account.", header: "Authorization"}

	noSuchPlan    = refusal{status: 404, code: "CM_NO_SUCH_ROUTING_PLAN", title: "No such routing plan", detail: "The routing plan specified either does not exist or is not in a usable state.", pointer: pointerPlan}
	notFound      = refusal{status: 404, code: "CM_NOT_FOUND", title: "Resource not found", detail: "The resource at the requested URI was not found."}
	notAllowed    = refusal{status: 405, code: "CM_NOT_ALLOWED", title: "Method not allowed", detail: "The method at the requested URI was not allowed."}
	notAcceptable = refusal{status: 406, code: "CM_NOT_ACCEPTABLE", title: "Not acceptable", detail: "This service can only generate application/vnd.api+json or application/json.", header: "Accept"}
	notReceived   = refusal{status: 408, code: "CM_TIMEOUT", title: "Request timeout", detail: "The service was unable to receive your request within the timeout period."}
	tooLarge      = refusal{status: 413, code: "CM_TOO_LARGE", title: "Request too large", detail: "Request message was larger than the service limit", pointer: "/"}
	tooManyItems  = refusal{status: 413, code: "CM_TOO_MANY_ITEMS", title: "Too many items", detail: "The property at the specified location contains too many items."}
	unsupported   = refusal{status: 415, code: "CM_UNSUPPORTED_MEDIA", title: "Unsupported media", detail: "Invalid content-type, this API only supports application/vnd.api+json or application/json.", header: "Content-Type"}

	duplicateBatch   = refusal{status: 422, code: "CM_DUPLICATE_REQUEST", title: "Duplicate batch request", detail: "Request exists with identical messageBatchReference", pointer: "/data/attributes/messageBatchReference"}
	duplicateMessage = refusal{status: 422, code: "CM_DUPLICATE_REQUEST", title: "Duplicate message request", detail: "Request exists with identical messageReference", pointer: "/data/attributes/messageReference"}
	tooEarly         = refusal{status: 425, code: "CM_RETRY_TOO_EARLY", title: "Retried too early", detail: "You have retried this request too early, the previous request is still being processed. Re-send the request after the time (in seconds) specified `Retry-After` header."}
	quotaReached     = refusal{status: 429, code: "CM_QUOTA", title: "Too many requests"}

	internalError      = refusal{status: 500, code: "CM_INTERNAL_SERVER_ERROR", title: "Error processing request", detail: "There was an internal error whilst processing this request."}
	missingTemplates   = refusal{status: 500, code: "CM_MISSING_ROUTING_PLAN_TEMPLATE", title: "Templates missing", detail: "The templates required to use the routing plan were not found.", pointer: pointerPlan}
	duplicateTemplates = refusal{status: 500, code: "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES", title: "Duplicate templates", detail: "The routing plan specified contains duplicate templates.", pointer: pointerPlan}
	badGateway         = refusal{status: 502, code: "CM_BAD_GATEWAY", title: "Unable to call service", detail: "A downstream service is not responding."}
	unavailable        = refusal{status: 503, code: "CM_SERVICE_UNAVAILABLE", title: "The service is currently unavailable", detail: "The service is currently not able to process this request, try again later."}
	gatewayTimeout     = refusal{status: 504, code: "CM_TIMEOUT", title: "Unable to call service", detail: "The downstream service has not responded within the configured timeout period."}
)

func quotaDetail(application string, quota int) string {
	return fmt.Sprintf("Your application, %s, has exceeded its quota of %d requests every 1 minute(s) and is being rate limited.", application, quota)
}

func spikeDetail(application string) string {
	return fmt.Sprintf("Your application, %s, has created a spike in traffic and is being rate limited. Please reduce the frequency of your requests.", application)
}

type errorLinks struct {
	About      string `json:"about"`
	NHSNumbers string `json:"nhsNumbers,omitempty"`
}

type errorSource struct {
	Pointer string `json:"pointer,omitempty"`
	Header  string `json:"header,omitempty"`
}

type errorItem struct {
	ID     string       `json:"id"`
	Code   string       `json:"code"`
	Links  errorLinks   `json:"links"`
	Status string       `json:"status"`
	Title  string       `json:"title"`
	Detail string       `json:"detail"`
	Source *errorSource `json:"source,omitempty"`
	Meta   any          `json:"meta,omitempty"`
}

// refuse answers with a list of errors. The HTTP status is that of the first.
func refuse(messageID string, list ...refusal) reply {
	items := make([]errorItem, len(list))
	for n, f := range list {
		items[n] = errorItem{
			ID:     messageID + "." + strconv.Itoa(n),
			Code:   f.code,
			Links:  errorLinks{About: aboutLink},
			Status: strconv.Itoa(f.status),
			Title:  f.title,
			Detail: f.detail,
			Meta:   f.meta,
		}
		if f.code == invalidNHSNumber.code {
			items[n].Links.NHSNumbers = nhsNumbersLink
		}
		if f.pointer != "" || f.header != "" {
			items[n].Source = &errorSource{Pointer: f.pointer, Header: f.header}
		}
	}
	return reply{status: list[0].status, body: encodeJSON(map[string]any{"errors": items}), retryAfter: list[0].retryAfter}
}

// encodeJSON writes a value made of strings, numbers and lists of them; such a
// value cannot fail to encode.
func encodeJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(fmt.Sprintf("simulator: encoding a reply: %v", err))
	}
	return bytes.TrimRight(b.Bytes(), "\n")
}
