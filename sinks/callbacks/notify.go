package callbacks

import (
	"github.com/tidwall/gjson"

	"cohort/engine/delivery"
)

func readStatuses(body []byte) []delivery.Event {
	return readItems(body, map[string]itemForm{"MessageStatus": readMessage, "ChannelStatus": readChannel})
}

func readResponses(body []byte) []delivery.Event {
	return readItems(body, map[string]itemForm{"RecipientResponse": readResponse})
}

// itemForm fills in an event from the attributes of an item, and the event's kind if it understands them.
type itemForm func(attributes document, e *delivery.Event)

// mostItems is how many items of a body become events of their own. The service sends one. Many empty items would take
// hundreds of times the memory of the body.
const mostItems = 1000

// readItems makes an event of each item of a body, by the item's type. An item that an event does not
// hold is in its Raw; so is a body that has more than items, too many of them, or none.
func readItems(body []byte, forms map[string]itemForm) (events []delivery.Event) {
	list, items := parse(body).only("data"), 0
	list.Get("data").ForEach(func(_, _ gjson.Result) bool {
		items++
		return items <= mostItems
	})
	if items > mostItems {
		return []delivery.Event{{Source: delivery.Callback, Kind: delivery.OfUnknown, Raw: body}}
	}
	for _, each := range list.Get("data").Array() {
		whole := true
		i := document{each, &whole}.only("type attributes links meta") // links lead to what the service has
		attributes := i.get("attributes")
		e := delivery.Event{
			Source: delivery.Callback, Kind: delivery.OfUnknown, Key: i.get("meta").only("idempotencyKey").text("idempotencyKey"),
			Reference: attributes.text("messageReference"), MessageID: attributes.text("messageId"),
		}
		if read := forms[i.text("type")]; read != nil {
			read(attributes, &e)
		}
		if !whole || e.Kind == delivery.OfUnknown || e.Reference == "" || e.MessageID == "" {
			e.Raw = []byte(each.Raw)
		}
		events = append(events, e)
	}
	if !*list.whole || len(events) == 0 {
		events = append(events, delivery.Event{Source: delivery.Callback, Kind: delivery.OfUnknown, Raw: body})
	}
	return events
}

// readMessage leaves out the plan's id, name and date, which the run knows, and metadata, which is about
// the service's look-up of the person.
func readMessage(a document, e *delivery.Event) {
	a.only("messageId messageReference messageStatus messageStatusDescription messageFailureReasonCode timestamp channels routingPlan metadata")
	a.get("routingPlan").only("id name version createdDate")
	e.Status, e.Code, e.Reason = a.word("messageStatus"), a.text("messageFailureReasonCode"), a.text("messageStatusDescription")
	e.RoutingVersion, e.At = a.text("routingPlan.version"), a.time("timestamp")
	if e.Status != "" {
		e.Kind = delivery.OfMessage
	}
	// One channel delivered it. What several channels did has no place in the event.
	if first := a.get("channels.0").only("type channelStatus"); first.word("channelStatus") == delivery.Delivered {
		e.Channel = first.word("type")
	} else if first.Exists() {
		*a.whole = false
	}
	*a.whole = *a.whole && !a.Get("channels.1").Exists()
}

// readChannel leaves out the number of retries: each retry has an event.
func readChannel(a document, e *delivery.Event) {
	a.only("messageId messageReference cascadeType cascadeOrder channel channelStatus channelStatusDescription channelFailureReasonCode " +
		"supplierStatus timestamp retryCount metadata")
	e.Status, e.Supplier, e.At = a.word("channelStatus"), a.word("supplierStatus"), a.time("timestamp")
	e.Code, e.Reason = a.text("channelFailureReasonCode"), a.text("channelStatusDescription")
	e.Channel, e.Cascade = a.word("channel"), a.word("cascadeType")
	order := a.Get("cascadeOrder")
	e.Order = int(order.Num)
	*a.whole = *a.whole && (order.Type == gjson.Null || order.Type == gjson.Number)
	if e.Status+e.Supplier != "" {
		e.Kind = delivery.OfChannel
	}
}

// readResponse leaves out the channel's status, which comes in callbacks of its own, and the time at
// which the response was processed.
func readResponse(a document, e *delivery.Event) {
	a.only("messageId messageReference cascadeType channel channelStatus channelFailureReasonCode code responseId authoredAt timestamp")
	e.Channel, e.Cascade, e.Answer, e.At = a.word("channel"), a.word("cascadeType"), a.text("code"), a.time("authoredAt")
	if id := a.text("responseId"); id != "" {
		e.Key = id
	}
	if e.Answer != "" {
		e.Kind = delivery.OfResponse
	}
}
