package runfolder

const (
	SocketFile = "control.sock" // the socket, in the run's folder
	PathFile   = "control.path" // where the socket is when it cannot be there
)
