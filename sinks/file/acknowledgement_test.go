package file

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// A refusal or a confirmation counts only when nothing contradicts it: people in a refused upload
// may be sent to again.
func TestAcknowledgementsBeyondDoubt(t *testing.T) {
	var packed, wide bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write([]byte(`{"code":"CM_DUPLICATE_REQUEST"}`))
	_ = w.Close()
	for _, u := range utf16.Encode([]rune("\ufeff" + `{"code":"CM_DUPLICATE_REQUEST"}`)) {
		wide.Write([]byte{byte(u), byte(u >> 8)})
	}
	const unclear = "unclear"
	for _, test := range []struct{ subject, body, want string }{
		{"400", "", "upload_refused_400"},
		{"403 Forbidden", " \n", "upload_refused_403"},
		{"413", "{}", "upload_refused_413"},
		{"400", `{"errors":[{"code":"CM_INVALID_VALUE","status":"400","detail":"9990000018"},{"code":"CM_NULL_VALUE"}]}`, "upload_refused_400_CM_INVALID_VALUE"},
		{"404", `{"errors":[{"Code":"CM_NO_SUCH_ROUTING_PLAN","status":404}]}`, "upload_refused_404_CM_NO_SUCH_ROUTING_PLAN"},
		{"400", `{"errors":[{"code":"CM_INVALID_VALUE"},{"code":"CM_DUPLICATE_REQUEST"}]}`, unclear},
		{"400", `{"code":"duplicate"}`, unclear},
		{"400", `{"Code":"CM_DUPLICATE_REQUEST"}`, unclear},
		{"400", `{"code":"CM_\u0044UPLICATE_REQUEST","code":"CM_INVALID_VALUE"}`, unclear},
		{"400", `{"code":"CM_INVALID_VALUE","title":"Duplicate batch reference"}`, unclear},
		{"400", `{"code":"CM_INVALID_VALUE","status":"422"}`, unclear},
		{"400", `{"code":["CM_INVALID_VALUE"]}`, unclear},
		{"400", `{"code":17}`, unclear},
		{"400", `{"taken":20,"rejected":10}`, unclear},
		{"400", `["CM_INVALID_VALUE"]`, unclear},
		{"400", `{"code":"CM_INVALID_VALUE"} {}`, unclear},
		{"400", "File rejected: duplicate of an upload that was already received", unclear},
		{"400", "rejected", unclear},
		{"400", `<e code="CM_INVALID_VALUE">x</e>`, unclear},
		{"400", packed.String(), unclear},
		{"400", wide.String(), unclear},
		{"400 Duplicate", "", unclear},
		{"400 ALREADY received", "{}", unclear},
		{"400", "accepted 20 of 30, rejected 10", unclear},
		{"400", `{"accepted":"20"}`, unclear},
		{"422", "", unclear},
		{"500", "", unclear},
		{"4000", "", unclear},
		{"200", "", "confirmed"},
		{"202 Accepted", `{"status":"accepted"}`, "confirmed"},
		{"200", "taken", "confirmed"},
		{"200", "Rejected: invalid header", unclear},
		{"200 refused", "", unclear},
		{"200", `{"errors":[{"title":"x"}]}`, unclear},
		{"200", `{"code":"CM_X"}`, unclear},
		{"200", `{"state":"F\u0061iled"}`, unclear},
		{"200", packed.String(), unclear},
		{"200", wide.String(), unclear},
	} {
		path := filepath.Join(t.TempDir(), "ack.dat")
		ctl := fmt.Sprintf("<DTSControl><WorkflowId>%s</WorkflowId><Subject>%s</Subject><LocalId>up</LocalId></DTSControl>", acknowledgementWorkflow, test.subject)
		if err := os.WriteFile(path, []byte(test.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(strings.TrimSuffix(path, ".dat")+controlExtension, []byte(ctl), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := ReadAcknowledgement(path)
		got := "confirmed"
		switch {
		case err != nil:
			got = unclear
			if !strings.Contains(err.Error(), "a person must ask NHS Notify") {
				t.Errorf("%s %q: the error does not say what to do: %v", test.subject, test.body, err)
			}
		case a.Refused:
			got = a.Code
		}
		if got != test.want {
			t.Errorf("%s %q is %s, want %s (%v)", test.subject, test.body, got, test.want, err)
		}
	}
}
