package runfolder

// listsFolder is where lists are held against the cohort; it is empty or gone when
// nothing is at work.
const ListsFolder = "lists"
