package campaign

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// The keys of the campaign format. A path that ends in .* takes any name of the
// user's own. Those in laterKeys belong to the format and are not acted on yet:
// refusing them by name is the only honest answer.
var (
	knownKeys = []string{
		"campaign", "profile", "register", "overlap_days",
		"cohort", "cohort.columns", "cohort.columns.*", "cohort.required", "cohort.max_invalid",
		"cohort.expect", "cohort.expect.records", "cohort.expect.sha256",
		"cohort.format", "cohort.format.type", "cohort.format.delimiter", "cohort.format.encoding", "cohort.format.header",
		"cohort.types", "cohort.types.*", "cohort.duplicates", "cohort.duplicates.latest_by",
		"cohort.withdrawn", "cohort.withdrawn.column", "cohort.withdrawn.values",
		"cohort.defaults", "cohort.defaults.*", "cohort.numbers", "cohort.superseded_by", "cohort.multiline", "cohort.encoding_checked",
		"suppress", "suppress[].file", "suppress[].reason", "suppress[].may_shrink", "suppress[].unreadable", "suppress[].format",
		"suppress[].format.type", "suppress[].format.delimiter", "suppress[].format.encoding", "suppress[].format.header",
		"personalisation", "personalisation.*", "reserved_names", "content", "content.literal",
		"route", "route[].name", "route[].when", "route[].when.*", "route[].when.*.from", "route[].when.*.to",
		"route[].routing_plan", "route[].routing_plan_id", "route[].personalisation", "route[].personalisation.*",
		"route[].content_file", "route[].display", "route[].reference",
		"reach", "reach.practice",
		"pace", "pace.messages", "pace.window", "pace.timezone", "pace.per_second", "pace.spread", "pace.catch_up", "pace.last_call", "pace.until",
		"stop_if", "stop_if.refused", "stop_if.of",
		"give_up_after", "on_halt",
		"sink", "sink.notify", "sink.notify.base_url", "sink.notify.token_url",
		"sink.notify.api_key_file", "sink.notify.api_key_env", "sink.notify.key_id", "sink.notify.private_key_file",
		"sink.notify.endpoint", "sink.notify.routing_plan", "sink.notify.routing_plan_id", "sink.notify.ods_code", "sink.notify.ca_file",
		"sink.notify.batch", "sink.notify.batch.max_messages", "sink.notify.batch.max_bytes", "sink.notify.batch.smoothing",
		"sink.notify.billing_reference", "sink.notify.originator",
		"sink.notify.contact_details", "sink.notify.contact_details.sms", "sink.notify.contact_details.email",
		"sink.notify.contact_details.address", "sink.notify.contact_details.address.lines", "sink.notify.contact_details.address.postcode",
		"sink.notify.contact_details.name", "sink.notify.contact_details.name.prefix", "sink.notify.contact_details.name.first_name",
		"sink.notify.contact_details.name.middle_names", "sink.notify.contact_details.name.last_name", "sink.notify.contact_details.name.suffix",
		"sink.nhsapp", "sink.nhsapp.base_url", "sink.nhsapp.token_url",
		"sink.nhsapp.api_key_file", "sink.nhsapp.api_key_env", "sink.nhsapp.key_id", "sink.nhsapp.private_key_file",
		"sink.nhsapp.requester_ods_code", "sink.nhsapp.on_behalf_of", "sink.nhsapp.campaign_id", "sink.nhsapp.ca_file",
		"sink.nhsapp.in_app", "sink.nhsapp.in_app.content_file",
		"sink.nhsapp.in_app.reply", "sink.nhsapp.in_app.reply.type", "sink.nhsapp.in_app.reply.options",
		"sink.nhsapp.push", "sink.nhsapp.push.display", "sink.nhsapp.push.reference",
		"sink.file", "sink.file.mesh", "sink.file.mesh.routing_plan_id", "sink.file.mesh.from", "sink.file.mesh.to",
		"sink.file.mesh.max_messages", "sink.file.mesh.max_bytes",
		"sink.file.letters", "sink.file.letters.format", "sink.file.letters.columns", "sink.file.letters.address_lines",
		"sink.file.letters.fewest_lines", "sink.file.letters.postcode", "sink.file.letters.max_messages", "sink.file.letters.max_bytes",
	}
	laterKeys = []string{
		"series",
	}
)

// keyLines refuses every key of the document that the format does not have or that
// this version does not act on, and notes in lines where each of the others stands.
func keyLines(file string, node ast.Node, path string, lines map[string]int) error {
	switch n := node.(type) {
	case *ast.MappingNode:
		for _, value := range n.Values {
			if err := keyLine(file, value, path, lines); err != nil {
				return err
			}
		}
	case *ast.MappingValueNode:
		return keyLine(file, n, path, lines)
	case *ast.SequenceNode:
		for i, value := range n.Values {
			if err := keyLines(file, value, fmt.Sprintf("%s[%d]", path, i), lines); err != nil {
				return err
			}
		}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode: // keys behind one would not be looked at
		return &FileError{file, n.GetToken().Position.Line, fmt.Sprintf("%s: anchors, aliases and tags are not taken; write the value out", path)}
	}
	return nil
}

func keyLine(file string, n *ast.MappingValueNode, path string, lines map[string]int) error {
	key := n.Key.GetToken().Value
	full := key
	if path != "" {
		full = path + "." + key
	}
	line := n.Key.GetToken().Position.Line
	lines[full] = line
	parent := general.ReplaceAllString(path, "[]")
	if strings.HasPrefix(parent, condition) {
		parent = condition + "*"
	}
	known := strings.TrimPrefix(parent+"."+key, ".")
	switch {
	case slices.Contains(laterKeys, full) && !strings.Contains(key, "."):
		return &FileError{file, line, fmt.Sprintf("%s is not yet supported by this version of cohort; take it out", full)}
	case slices.Contains(knownKeys, known) && !strings.Contains(key, "."), path != "" && slices.Contains(knownKeys, parent+".*"):
		return keyLines(file, n.Value, full, lines)
	}
	return &FileError{file, line, fmt.Sprintf("unknown key %s%s", full, suggestion(parent))}
}

// condition is what the path of a route's condition begins with, whatever its column is called.
const condition = "route[].when."

// general finds the index of an entry of a list in a path.
var general = regexp.MustCompile(`\[\d+\]`)

// suggestion names the keys that stand at the same place, so that a typing mistake
// is put right at a glance.
func suggestion(path string) string {
	var siblings []string
	for _, known := range knownKeys {
		parent, name := "", known
		if i := strings.LastIndexByte(known, '.'); i >= 0 {
			parent, name = known[:i], known[i+1:]
		}
		if parent == path && name != "*" {
			siblings = append(siblings, name)
		}
	}
	if len(siblings) == 0 {
		return ""
	}
	return "; allowed here: " + strings.Join(siblings, ", ")
}

// FileError is a mistake in a campaign file.
type FileError struct {
	File    string
	Line    int // 0 when the mistake has no line, such as a missing key
	Problem string
}

// Error is one line: file, line, and what is wrong.
func (e *FileError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("%s: %s", e.File, e.Problem)
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Problem)
}
