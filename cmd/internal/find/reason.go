package find

// CheckReason refuses a reason that has what looks like an NHS number, and one that is empty or too long.
func CheckReason(reason string) error { return checkReason(reason) }
