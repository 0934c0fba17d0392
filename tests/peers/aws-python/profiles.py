"""How botocore reads files of AWS's configuration, for the tests to compare with: a line of JSON for each file that
is named, with what `load_config` makes of it, or null if botocore rejects the file."""

import json
import sys

from botocore.configloader import load_config
from botocore.exceptions import ConfigParseError

for path in sys.argv[1:]:
    try:
        print(json.dumps(load_config(path)))
    except ConfigParseError:
        print("null")
