package summary

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"cohort/ingest/person"
)

var london, _ = time.LoadLocation("Europe/London")

// base is a page of nobody, three days after the send began.
func base(title string) *Figures {
	f := newFigures()
	f.Title, f.Campaign, f.RunID, f.Service = title, "flu-reminder-2026-11", "8c41f0a7b2d94e6f8a0b1c2d3e4f5a6b", "notify https://api.service.nhs.uk/comms"
	f.Cohort, f.Plan = "16accdf4ccc09faa5795285f06e167024b4b8c61ed48f7deb0a9b82ef4d6ec9c", "64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525"
	f.Version, f.AsOf = "1.0", time.Date(2026, 11, 29, 7, 0, 0, 0, london)
	f.First = time.Date(2026, 11, 26, 6, 0, 1, 0, london)
	return f
}

// nobody has 12 records that were left out.
func nobody() *Figures {
	f := base("Nobody")
	f.First, f.Records = time.Time{}, 12
	f.Fates = map[person.Fate]int64{person.Suppressed: 9, person.Invalid: 2, person.Duplicate: 1}
	f.Reasons = map[Reason]int64{
		{person.Suppressed, "opted_out"}: 9, {person.Invalid, person.CodeBadNumber}: 2, {person.Duplicate, person.CodeDuplicate}: 1,
	}
	f.Groups = []Group{{"icb", map[string]*Tally{}}}
	return f
}

// one has one record, sent by the NHS App.
func one() *Figures {
	f := base("One person")
	f.Service, f.Records, f.Last, f.Events = "nhsapp https://api.service.nhs.uk", 1, f.First, 1
	f.Fates[person.Accepted], f.Sent[f.First.Unix()/900], f.Reached["nhsapp"], f.Within[0] = 1, 1, 1, 1
	f.Groups = []Group{{"icb", map[string]*Tally{"Blackmere": {1, 1, 0}}}}
	return f
}

// hundred has 104 records, and groups with small counts.
func hundred() *Figures {
	f := base("A pilot of a hundred")
	f.Records, f.Last, f.Events = 104, f.First.Add(2*time.Second), 97
	f.Fates = map[person.Fate]int64{person.Accepted: 100, person.Suppressed: 3, person.Invalid: 1}
	f.Reasons = map[Reason]int64{{person.Suppressed, "opted_out"}: 3, {person.Invalid, person.CodeBadNumber}: 1}
	f.Sent[f.First.Unix()/900] = 100
	f.Reached = map[string]int64{"nhsapp": 61, "sms": 25, "email": 6}
	f.Failed = map[string]int64{"": 2}
	f.Open = map[string]int64{noWord: 3, "On its way: Letter": 3}
	f.Within = []int64{50, 8, 3, 25, 6, 0, 0, 0}
	f.Groups = []Group{{"icb", map[string]*Tally{"Blackmere": {58, 55, 1}, "Kingsmere": {39, 35, 1}, "Tiny": {3, 2, 0}}}}
	return f
}

// files has 100 messages in files that nobody has told about.
func files() *Figures {
	f := base("Letters")
	f.Files, f.Service, f.Records, f.Last = true, "file letters", 100, f.First.Add(time.Second)
	f.Fates[person.Accepted], f.Sent[f.First.Unix()/900], f.Open[noWord] = 100, 100, 100
	return f
}

// national has 3.4 million records.
func national() *Figures {
	f := base("Flu vaccination reminder, November 2026")
	f.Purpose = []Fact{
		{"Purpose", "Remind people over 65 who have not had this winter's flu vaccination to book one near them."},
		{"Owner", "Vaccination programme, NHS England"}, {"Legal basis", "Article 6(1)(e): a task in the public interest"},
	}
	f.Records = 3_400_000
	f.Fates = map[person.Fate]int64{
		person.Accepted: 3_241_876, person.Refused: 1_912, person.Suppressed: 118_026, person.Invalid: 21_304, person.Duplicate: 16_882,
	}
	for i, n := range []int64{71_480, 19_377, 12_641, 6_204, 3_906, 3_018, 1_388, 12} {
		f.Reasons[Reason{person.Suppressed, []string{"already_vaccinated", "opted_out", "deceased_formal", "moved_away", "not_eligible", "deceased_informal", "sensitive", "withdrawn"}[i]}] = n
	}
	for i, n := range []int64{9_406, 4_873, 3_118, 2_745, 1_102, 60} {
		f.Reasons[Reason{person.Invalid, []string{person.CodeEmptyRequired, person.CodeBadNumber, person.CodeBadType, person.CodeNoRoute, person.CodeTooLong, person.CodeBadContact}[i]}] = n
	}
	f.Reasons[Reason{person.Duplicate, person.CodeDuplicate}] = 16_882
	f.Reasons[Reason{person.Refused, "CM_INVALID_NHS_NUMBER"}], f.Reasons[Reason{person.Refused, "CM_NOT_TO_BE_CONTACTED"}] = 1_644, 268
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
		f.Failed[[]string{"PF_SMS_0001", "PF_PDS_0004", "PF_LET_0002", "PF_EM_0001", "PF_SMS_0007", "PF_EM_0003", "PF_ZZ_0009"}[i]] = n
	}
	f.Open = map[string]int64{"On its way: Letter": 88_210, "One channel failed, the next is due": 24_917, noWord: 1_621}
	f.Within = []int64{1_310_442, 578_864, 13_864, 987_978, 172_685, 0, 0, 0}
	f.Events = 3_240_255
	icbs := Group{"icb", map[string]*Tally{}}
	rest := Tally{f.accepted(), f.delivered(), f.failed()}
	for i := range 42 {
		t := &Tally{Sent: 74_248 + int64(i%9)*131, Delivered: 70_400 + int64(i%7)*97, Failed: 1_293 + int64(i%5)*31}
		if i == 41 {
			t = &rest
		} else {
			rest.add(&Tally{-t.Sent, -t.Delivered, -t.Failed})
		}
		if i == 40 {
			rest.add(&Tally{t.Sent - 38, t.Delivered - 33, t.Failed - 2})
			*t = Tally{38, 33, 2}
		}
		name := fmt.Sprintf("%c%s", 'A'+i%26, []string{"lder Moor and Wexbury", "shdown Coast", "rook Vale, Stanwick and Wyeshire"}[i%3])
		if i >= 26 {
			name = "North " + name
		}
		icbs.Values[name] = t
	}
	f.Groups = []Group{icbs}
	was := base("")
	was.Records, was.First, was.Last = 3_287_410, time.Date(2026, 10, 22, 6, 0, 0, 0, london), time.Date(2026, 10, 22, 21, 12, 0, 0, london)
	was.Fates = map[person.Fate]int64{person.Accepted: 3_145_000, person.Suppressed: 142_410}
	was.Reached, was.Failed, was.Open = map[string]int64{"nhsapp": 2_950_010}, map[string]int64{"": 72_335}, map[string]int64{"": 122_655}
	f.Previous = was
	return f
}

// unfinished has stopped half way, over four days, with messages in doubt.
func unfinished() *Figures {
	f := national()
	f.Title, f.Previous, f.Groups, f.Purpose = "Stopped half way", nil, nil, nil
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
func fullest() *Figures {
	f := national()
	f.Title = "The fullest page"
	for i := range 30 {
		f.Reasons[Reason{person.Suppressed, fmt.Sprintf("a_list_of_reason_%d", i)}] = 1000
		f.Reasons[Reason{person.Invalid, fmt.Sprintf("a_fault_of_kind_%d", i)}] = 1000
		f.Reasons[Reason{person.Refused, fmt.Sprintf("a_refusal_of_kind_%d", i)}] = 1000
		f.Failed[fmt.Sprintf("a_failure_of_kind_%d", i)] = 1000
		f.Open[fmt.Sprintf("A message in state %d", i)] = 1000
		f.Reached[fmt.Sprintf("channel_%d", i)] = 1000
	}
	for _, n := range f.Reasons {
		f.Records += n
	}
	f.Fates[person.Suppressed], f.Fates[person.Invalid] = f.Fates[person.Suppressed]+30_000, f.Fates[person.Invalid]+30_000
	f.Fates[person.Refused], f.Fates[person.Accepted] = f.Fates[person.Refused]+30_000, f.Fates[person.Accepted]+90_000
	f.Records = sum(f.Fates)
	f.Contradicted, f.Overdue, f.Untimed = 9, 1_500, 30_000
	for i := range 5 {
		g := Group{fmt.Sprintf("clinic_of_kind_%d", i), map[string]*Tally{}}
		for j := range 6_000 {
			g.Values[fmt.Sprintf("Clinic number %d of the county", j)] = &Tally{500, 400, int64(j % 9)}
		}
		f.Groups = append(f.Groups, g)
	}
	return f
}

var cases = map[string]func() *Figures{
	"0": nobody, "1": one, "100": hundred, "3400000": national, "files": files, "fullest": fullest, "unfinished": unfinished,
}

func render(t *testing.T, f *Figures) []byte {
	t.Helper()
	var page bytes.Buffer
	if err := Render(&page, f); err != nil {
		t.Fatal(err)
	}
	return page.Bytes()
}
