"""An offline world of moving shapes: real MP4 clips with exact captions, and a tiny model that learns them."""
