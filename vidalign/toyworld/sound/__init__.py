"""The toy world with sound: shapes that come and go on a tone, and two voices that speak in beeps."""
