"""Exit with 0 if the server in this container is ready and serves the database that DIGEST names, otherwise with 1."""

import os
import sys
import urllib.request

address = f"http://127.0.0.1:{os.environ.get('PORT', '8001')}/-/ready?digest={os.environ.get('DIGEST', '')}"
try:
    urllib.request.urlopen(address, timeout=5).close()
except OSError as error:
    sys.exit(f"{address}: {error}")
