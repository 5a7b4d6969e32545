package notify

import (
	"strconv"

	"cohort/sinks/simulator/gateway"
)

const (
	aboutLink      = "https://digital.nhs.uk/developer/api-catalogue/nhs-notify"
	nhsNumbersLink = "https://www.datadictionary.nhs.uk/attributes/nhs_number.html"

	pointerPlan     = "/data/attributes/routingPlanId"
	pointerMessages = "/data/attributes/messages"
)

// The error catalogue.
var (
	missingValue     = gateway.Refusal{Status: 400, Code: "CM_MISSING_VALUE", Title: "Missing property", Detail: "The property at the specified location is required, but was not present in the request."}
	nullValue        = gateway.Refusal{Status: 400, Code: "CM_NULL_VALUE", Title: "Property cannot be null", Detail: "The property at the specified location is required, but a null value was passed in the request."}
	invalidValue     = gateway.Refusal{Status: 400, Code: "CM_INVALID_VALUE", Title: "Invalid value", Detail: "The property at the specified location does not allow this value."}
	invalidNHSNumber = gateway.Refusal{Status: 400, Code: "CM_INVALID_NHS_NUMBER", Title: "Invalid nhs number", Detail: "The value provided in this nhsNumber field is not a valid NHS number."}
	duplicateValue   = gateway.Refusal{Status: 400, Code: "CM_DUPLICATE_VALUE", Title: "Duplicate value", Detail: "The property at the specified location is a duplicate, duplicated values are not allowed."}
	tooFewItems      = gateway.Refusal{Status: 400, Code: "CM_TOO_FEW_ITEMS", Title: "Too few items", Detail: "The property at the specified location contains too few items."}
	odsCodeRequired  = gateway.Refusal{Status: 400, Code: "CM_ODS_CODE_REQUIRED", Title: "Originator odsCode must be provided", Detail: "An originator with odsCode must be provided, as your account does not have a default ODS code.", Pointer: pointerMessages}
	cannotSetODSCode = gateway.Refusal{Status: 400, Code: "CM_CANNOT_SET_ODS_CODE", Title: "Cannot set ODS code", Detail: "Your account is not permitted to set originator ODS codes.", Pointer: pointerMessages}
	cannotSetContact = gateway.Refusal{Status: 400, Code: "CM_CANNOT_SET_CONTACT_DETAILS", Title: "Cannot set contact details", Detail: "Client is not allowed to provide alternative contact details."}

	denied     = gateway.Refusal{Status: 401, Code: "CM_DENIED", Title: "Access denied", Detail: "Access token missing, invalid or expired, or calling application not configured for this operation.", Header: "Authorization"}
	forbidden  = gateway.Refusal{Status: 403, Code: "CM_FORBIDDEN", Title: "Forbidden", Detail: "Client not recognised or not yet onboarded.", Header: "Authorization"}
	serviceBan = gateway.Refusal{Status: 403, Code: "CM_SERVICE_BAN", Title: "Service ban in effect", Detail: "A service ban is in effect on your account.", Header: "Authorization"}

	noSuchPlan    = gateway.Refusal{Status: 404, Code: "CM_NO_SUCH_ROUTING_PLAN", Title: "No such routing plan", Detail: "The routing plan specified either does not exist or is not in a usable state.", Pointer: pointerPlan}
	notFound      = gateway.Refusal{Status: 404, Code: "CM_NOT_FOUND", Title: "Resource not found", Detail: "The resource at the requested URI was not found."}
	notAllowed    = gateway.Refusal{Status: 405, Code: "CM_NOT_ALLOWED", Title: "Method not allowed", Detail: "The method at the requested URI was not allowed."}
	notAcceptable = gateway.Refusal{Status: 406, Code: "CM_NOT_ACCEPTABLE", Title: "Not acceptable", Detail: "This service can only generate application/vnd.api+json or application/json.", Header: "Accept"}
	tooLarge      = gateway.Refusal{Status: 413, Code: "CM_TOO_LARGE", Title: "Request too large", Detail: "Request message was larger than the service limit", Pointer: "/"}
	tooManyItems  = gateway.Refusal{Status: 413, Code: "CM_TOO_MANY_ITEMS", Title: "Too many items", Detail: "The property at the specified location contains too many items."}
	unsupported   = gateway.Refusal{Status: 415, Code: "CM_UNSUPPORTED_MEDIA", Title: "Unsupported media", Detail: "Invalid content-type, this API only supports application/vnd.api+json or application/json.", Header: "Content-Type"}

	duplicateBatch   = gateway.Refusal{Status: 422, Code: "CM_DUPLICATE_REQUEST", Title: "Duplicate batch request", Detail: "Request exists with identical messageBatchReference", Pointer: "/data/attributes/messageBatchReference"}
	duplicateMessage = gateway.Refusal{Status: 422, Code: "CM_DUPLICATE_REQUEST", Title: "Duplicate message request", Detail: "Request exists with identical messageReference", Pointer: "/data/attributes/messageReference"}
	tooEarly         = gateway.Refusal{Status: 425, Code: "CM_RETRY_TOO_EARLY", Title: "Retried too early", Detail: "You have retried this request too early, the previous request is still being processed. Re-send the request after the time (in seconds) specified `Retry-After` header."}
	quotaReached     = gateway.Refusal{Status: 429, Code: "CM_QUOTA", Title: "Too many requests"}

	missingTemplates   = gateway.Refusal{Status: 500, Code: "CM_MISSING_ROUTING_PLAN_TEMPLATE", Title: "Templates missing", Detail: "The templates required to use the routing plan were not found.", Pointer: pointerPlan}
	duplicateTemplates = gateway.Refusal{Status: 500, Code: "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES", Title: "Duplicate templates", Detail: "The routing plan specified contains duplicate templates.", Pointer: pointerPlan, Meta: map[string]any{
		"duplicateTemplates": []map[string]string{{"name": "EMAIL_TEMPLATE", "type": "EMAIL"}, {"name": "SMS_TEMPLATE", "type": "SMS"}},
	}}
)

// refuse answers with a list of errors. The HTTP status is that of the first.
func refuse(messageID string, list ...gateway.Refusal) gateway.Reply {
	items := make([]object, len(list))
	for n, f := range list {
		links, source := object{"about": aboutLink}, object{}
		items[n] = object{
			"id": messageID + "." + strconv.Itoa(n), "code": f.Code, "links": links,
			"status": strconv.Itoa(f.Status), "title": f.Title, "detail": f.Detail,
		}
		if f.Code == invalidNHSNumber.Code {
			links["nhsNumbers"] = nhsNumbersLink
		}
		if f.Pointer != "" {
			source["pointer"] = f.Pointer
		}
		if f.Header != "" {
			source["header"] = f.Header
		}
		if len(source) > 0 {
			items[n]["source"] = source
		}
		if f.Meta != nil {
			items[n]["meta"] = f.Meta
		}
	}
	return gateway.Reply{Status: list[0].Status, RetryAfter: list[0].RetryAfter, Body: gateway.EncodeJSON(object{"errors": items})}
}
