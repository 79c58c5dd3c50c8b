"""When something applies: weekly windows and iCalendar calendars, in an account's time zone."""
