# Nothing at all: what the others are compared with.

uncaptured_available()
{
	return 0
}

uncaptured_capture()
{
	:
}
