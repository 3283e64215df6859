"""Reads the SBOMs of a release with other people's code. Run with a Debian root's own Python.

release-peers.py SPDX_SCHEMA SPDX_DOCUMENT CYCLONEDX_DOCUMENT LICENSE_EXPRESSION...

Prints one JSON document: what is wrong, and what was read.
"""

import json
import sys

import jsonschema
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from packageurl import PackageURL

schema_path, spdx_path, cyclonedx_path, *expressions = sys.argv[1:]
licensing = get_spdx_licensing()


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def unknown_licenses(expression):
    return [] if expression == "NOASSERTION" else licensing.unknown_license_keys(expression)


spdx = json.loads(read(spdx_path))
schema = json.loads(read(schema_path))
cyclonedx_text = read(cyclonedx_path)
bom = Bom.from_json(json.loads(cyclonedx_text))
cyclonedx_error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(cyclonedx_text)

written = sorted(component["purl"] for component in json.loads(cyclonedx_text)["components"])
print(
    json.dumps(
        {
            "spdxErrors": [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(spdx)],
            "cycloneDxErrors": [] if cyclonedx_error is None else [str(cyclonedx_error)],
            "unknownLicenses": sorted(
                {key for package in spdx["packages"] for key in unknown_licenses(package["licenseDeclared"])}
            ),
            "unknownNames": [text for text in expressions if unknown_licenses(text)],
            "components": sorted(
                [
                    component.name,
                    component.version or "",
                    str(component.hashes[0].content),
                    component.purl.name,
                    component.purl.version or "",
                    component.purl.qualifiers.get("arch", ""),
                ]
                for component in bom.components
            ),
            "foreignSpelling": [text for text in written if PackageURL.from_string(text).to_string() != text],
        }
    )
)
