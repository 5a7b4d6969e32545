package plan

// Listed is one record whose person a suppression list names.
type Listed struct {
	Shard    int
	Position uint32
	Code     string // why: one of the reason codes
}

// ListRead is what was read of one suppression list. It holds nothing about anybody.
type ListRead struct {
	File   string `json:"file"`
	Format string `json:"format,omitempty"` // as the campaign says that it is to be read; empty: told by its content
	Reason string `json:"reason,omitempty"` // of its people, where the list itself gives none
	SHA256 string `json:"sha256"`
	People int64  `json:"people"` // different NHS numbers; by rules older than 2, rows with one

	// Unreadable is how many rows had something in place of a number. Rules says by which
	// rules the numbers were read: 0 before odd ones were read and unreadable rows counted.
	Unreadable int64 `json:"unreadable,omitempty"`
	Rules      int   `json:"rules,omitempty"`
}
