"""Validates a bill of materials by its schema. Run with the Python of release/tools.

    release/bill.py FILE
"""

import sys
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

file = Path(sys.argv[1])
if file.name.endswith(".cdx.json"):
    problems = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text())
else:
    problems = [it.validation_message for it in validate_full_spdx_document(parse_file(str(file)))]
sys.exit(str(problems) if problems else 0)
