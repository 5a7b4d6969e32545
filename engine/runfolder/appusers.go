package runfolder

// usersFile is the reports of app users that a run is prepared with: it is there only until
// the plan is sealed.
const UsersFile = "reach.users"
