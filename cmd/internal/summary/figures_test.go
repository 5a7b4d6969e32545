package summary

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/report"
	"cohort/ingest/person"
)

var london, _ = time.LoadLocation("Europe/London")

// base is a page of nobody, three days after the send began.
func base(title string) *Page {
	f := &Page{Figures: report.NewFigures()}
	f.Title, f.Campaign, f.RunID, f.Service = title, "flu-reminder-2026-11", "8c41f0a7b2d94e6f8a0b1c2d3e4f5a6b", "notify https://api.service.nhs.uk/comms"
	f.CohortDigest, f.Plan = "16accdf4ccc09faa5795285f06e167024b4b8c61ed48f7deb0a9b82ef4d6ec9c", "64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525"
	f.Version, f.AsOf = "1.0", time.Date(2026, 11, 29, 7, 0, 0, 0, london)
	f.First = time.Date(2026, 11, 26, 6, 0, 1, 0, london)
	return f
}

func because(fate person.Fate, code string) report.Reason {
	return report.Reason{Fate: fate, Code: code}
}

func tally(sent, delivered, failed int64) *report.Tally {
	return &report.Tally{1: delivered, 2: failed, 3: sent - delivered - failed}
}

// nobody has 12 records that were left out.
func nobody() *Page {
	f := base("Nobody")
	f.First, f.Records = time.Time{}, 12
	f.Fates = map[person.Fate]int64{person.Suppressed: 9, person.Invalid: 2, person.Duplicate: 1}
	f.Reasons = map[report.Reason]int64{
		because(person.Suppressed, "opted_out"): 9, because(person.Invalid, person.CodeBadNumber): 2, because(person.Duplicate, person.CodeDuplicate): 1,
	}
	f.Groups = []report.Tallies{{Column: "icb", Values: map[string]*report.Tally{}}}
	return f
}

// one has one record, sent by the NHS App.
func one() *Page {
	f := base("One person")
	f.Service, f.Records, f.Last, f.Known = "nhsapp https://api.service.nhs.uk", 1, f.First, 1
	f.Fates[person.Accepted], f.Sent[f.First.Unix()/900], f.Reached["nhsapp"], f.Within[0] = 1, 1, 1, 1
	f.Groups = []report.Tallies{{Column: "icb", Values: map[string]*report.Tally{"Blackmere": tally(1, 1, 0)}}}
	return f
}

// hundred has 104 records, and groups with small counts.
func hundred() *Page {
	f := base("A pilot of a hundred")
	f.Records, f.Last, f.Known = 104, f.First.Add(2*time.Second), 97
	f.Fates = map[person.Fate]int64{person.Accepted: 100, person.Suppressed: 3, person.Invalid: 1}
	f.Reasons = map[report.Reason]int64{because(person.Suppressed, "opted_out"): 3, because(person.Invalid, person.CodeBadNumber): 1}
	f.Sent[f.First.Unix()/900] = 100
	f.Reached = map[string]int64{"nhsapp": 61, "sms": 25, "email": 6}
	f.Failed = map[report.Failure]int64{{}: 2}
	f.Open = map[report.Progress]int64{{}: 3, {Status: "sending", Channel: "letter"}: 3}
	f.Within = []int64{50, 8, 3, 25, 6, 0, 0, 0}
	f.Groups = []report.Tallies{{Column: "icb", Values: map[string]*report.Tally{"Blackmere": tally(58, 55, 1), "Kingsmere": tally(39, 35, 1), "Tiny": tally(3, 2, 0)}}}
	return f
}

// files has 100 messages in files that nobody has told about.
func files() *Page {
	f := base("Letters")
	f.Service, f.Records, f.Last = "file letters", 100, f.First.Add(time.Second)
	f.Fates[person.Accepted], f.Sent[f.First.Unix()/900], f.Open[report.Progress{}] = 100, 100, 100
	return f
}

// national has 3.4 million records.
func national() *Page {
	f := base("Flu vaccination reminder, November 2026")
	f.Purpose = campaign.Purpose{
		Text:  "Remind people over 65 who have not had this winter's flu vaccination to book one near them.",
		Owner: "Vaccination programme, NHS England", Basis: "Article 6(1)(e): a task in the public interest",
	}
	f.Records = 3_400_000
	f.Fates = map[person.Fate]int64{
		person.Accepted: 3_241_876, person.Refused: 1_912, person.Suppressed: 118_026, person.Invalid: 21_304, person.Duplicate: 16_882,
	}
	for i, n := range []int64{71_480, 19_377, 12_641, 6_204, 3_906, 3_018, 1_388, 12} {
		f.Reasons[because(person.Suppressed, []string{"already_vaccinated", "opted_out", "deceased_formal", "moved_away", "not_eligible", "deceased_informal", "sensitive", "withdrawn"}[i])] = n
	}
	for i, n := range []int64{9_406, 4_873, 3_118, 2_745, 1_102, 60} {
		f.Reasons[because(person.Invalid, []string{person.CodeEmptyRequired, person.CodeBadNumber, person.CodeBadType, person.CodeNoRoute, person.CodeTooLong, person.CodeBadContact}[i])] = n
	}
	f.Reasons[because(person.Duplicate, person.CodeDuplicate)] = 16_882
	f.Reasons[because(person.Refused, "CM_INVALID_NHS_NUMBER")], f.Reasons[because(person.Refused, "CM_NOT_TO_BE_CONTACTED")] = 1_644, 268
	f.Last = f.First.Add(15*time.Hour + 31*time.Minute)
	left := int64(3_241_876)
	for q := f.First.Unix() / 900; left > 0; q++ {
		n := int64(53_190) - q%7*20
		if i := q - f.First.Unix()/900; i == 21 || i == 22 || i == 23 {
			n /= 3
		}
		if q == f.Last.Unix()/900 {
			n = left
		}
		f.Sent[q] = min(n, left)
		left -= f.Sent[q]
	}
	f.Reached = map[string]int64{"nhsapp": 1_902_411, "sms": 701_386, "email": 288_104, "letter": 171_932}
	for i, n := range []int64{21_906, 18_342, 9_871, 7_204, 3_958, 1_407, 607} {
		f.Failed[[]report.Failure{
			{Channel: "sms", Supplier: "permanent_failure"}, {Code: "MFR_PDSV_0002"}, {Code: "CFR_SUPE_0007", Channel: "letter", Supplier: "validation_failed"}, {Channel: "email", Supplier: "permanent_failure"},
			{Channel: "sms", Supplier: "temporary_failure"}, {Code: "MFR_PDSV_0112"}, {Code: "PF_ZZ_0009"},
		}[i]] = n
	}
	f.Open = map[report.Progress]int64{{Channel: "letter"}: 88_210, {Failed: true}: 24_917, {}: 1_621}
	f.Within = []int64{1_310_442, 578_864, 13_864, 987_978, 172_685, 0, 0, 0}
	f.Known = 3_240_255
	icbs := report.Tallies{Column: "icb", Values: map[string]*report.Tally{}}
	rest := [3]int64{f.Accepted(), f.Delivered(), f.Undelivered()}
	for i := range 42 {
		n := [3]int64{74_248 + int64(i%9)*131, 70_400 + int64(i%7)*97, 1_293 + int64(i%5)*31}
		switch i {
		case 40:
			n = [3]int64{38, 33, 2}
		case 41:
			n = rest
		}
		for k := range n {
			rest[k] -= n[k]
		}
		name := fmt.Sprintf("%c%s", 'A'+i%26, []string{"lder Moor and Wexbury", "shdown Coast", "rook Vale, Stanwick and Wyeshire"}[i%3])
		if i >= 26 {
			name = "North " + name
		}
		icbs.Values[name] = tally(n[0], n[1], n[2])
	}
	f.Groups = []report.Tallies{icbs}
	was := base("")
	was.Records, was.First, was.Last = 3_287_410, time.Date(2026, 10, 22, 6, 0, 0, 0, london), time.Date(2026, 10, 22, 21, 12, 0, 0, london)
	was.Fates = map[person.Fate]int64{person.Accepted: 3_145_000, person.Suppressed: 142_410}
	was.Reached, was.Failed, was.Open = map[string]int64{"nhsapp": 2_950_010}, map[report.Failure]int64{{}: 72_335}, map[report.Progress]int64{{}: 122_655}
	f.Previous = was.Figures
	return f
}

// unfinished has stopped half way, over four days, with messages in doubt.
func unfinished() *Page {
	f := national()
	f.Title, f.Previous, f.Groups, f.Purpose = "Stopped half way", nil, nil, campaign.Purpose{}
	f.Fates[person.Accepted], f.Fates[person.InDoubt], f.Fates[person.NotSent] = 3_000_000, 45_000, 196_876
	f.Last, f.Sent, f.Contradicted = f.First.Add((3*24+14)*time.Hour-time.Minute), map[int64]int64{}, 3
	for i := range int64(4) {
		for q := range int64(56) {
			f.Sent[f.First.Unix()/900+i*96+q] = 3_000_000 / 4 / 56
		}
	}
	f.Reached["nhsapp"] -= 3_241_876 - 3_000_000
	f.Within[0] -= 3_241_876 - 3_000_000
	return f
}

// fullest has everything that a page can hold.
func fullest() *Page {
	f := national()
	f.Title = "The fullest page"
	for i := range 30 {
		f.Reasons[because(person.Suppressed, fmt.Sprintf("a_list_of_reason_%d", i))] = 1000
		f.Reasons[because(person.Invalid, fmt.Sprintf("a_fault_of_kind_%d", i))] = 1000
		f.Reasons[because(person.Refused, fmt.Sprintf("a_refusal_of_kind_%d", i))] = 1000
		f.Failed[report.Failure{Code: fmt.Sprintf("a_failure_of_kind_%d", i)}] = 1000
		f.Open[report.Progress{Channel: fmt.Sprintf("a_channel_%d", i)}] = 1000
		f.Reached[fmt.Sprintf("channel_%d", i)] = 1000
	}
	for _, n := range f.Reasons {
		f.Records += n
	}
	f.Fates[person.Suppressed], f.Fates[person.Invalid] = f.Fates[person.Suppressed]+30_000, f.Fates[person.Invalid]+30_000
	f.Fates[person.Refused], f.Fates[person.Accepted] = f.Fates[person.Refused]+30_000, f.Fates[person.Accepted]+90_000
	f.Records = total(f.Fates)
	f.Contradicted, f.Overdue, f.Untimed = 9, 1_500, 30_000
	for i := range 5 {
		g := report.Tallies{Column: fmt.Sprintf("clinic_of_kind_%d", i), Values: map[string]*report.Tally{}}
		for j := range 6_000 {
			g.Values[fmt.Sprintf("Clinic number %d of the county, with a name that is far too long to be read by anybody who has other things to do", j)] = tally(500, 400, int64(j%9))
		}
		f.Groups = append(f.Groups, g)
	}
	return f
}

var cases = map[string]func() *Page{
	"0": nobody, "1": one, "100": hundred, "3400000": national, "files": files, "fullest": fullest, "unfinished": unfinished,
}

func render(t *testing.T, f *Page) []byte {
	t.Helper()
	var page bytes.Buffer
	if err := Render(&page, f); err != nil {
		t.Fatal(err)
	}
	return page.Bytes()
}
