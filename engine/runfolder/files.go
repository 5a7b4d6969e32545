package runfolder

// filesFolder is where, in a run's folder, the files of a campaign lie that writes some.
const FilesFolder = "files"
