"""Models judged: of videos, of segments and of clips."""
