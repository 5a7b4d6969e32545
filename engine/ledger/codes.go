package ledger

// CodeListedTooLate is the reason code of a message whose person a suppression list named
// when it had been attempted: it was accepted, or may have been.
const CodeListedTooLate = "listed_too_late"

// codeListed is why a form was replaced by one without the people whom a list names.
const CodeListed = "listed"
