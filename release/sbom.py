"""Writes the bill of materials: the crates in the binaries, as SPDX 2.3 and CycloneDX 1.6.

    release/sbom.py OUTPUT      writes OUTPUT.spdx.json and OUTPUT.cdx.json
"""

import json
import os
import re
import sys
import time
import uuid

from dependencies import ROOT, Crate, crates

CREATED = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"])))


def main():
    found = crates()
    root = next(crate for crate in found.values() if crate.name == ROOT)
    for suffix, document in (("spdx", spdx(found, root)), ("cdx", cyclonedx(found, root))):
        with open(f"{sys.argv[1]}.{suffix}.json", "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)
            file.write("\n")


def spdx(found: dict[str, Crate], root: Crate) -> dict:
    relationships = [("SPDXRef-DOCUMENT", "DESCRIBES", reference(root))]
    for crate in found.values():
        needs = sorted(crate.needs)
        relationships += [(reference(crate), "DEPENDS_ON", reference(found[it])) for it in needs]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{ROOT}-{root.version}",
        "documentNamespace": f"urn:uuid:{identity(found, 'spdx')}",
        "creationInfo": {"created": CREATED, "creators": [f"Tool: {ROOT}-release"]},
        "packages": [spdx_package(crate) for crate in found.values()],
        "relationships": [
            {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
            for one, kind, other in relationships
        ],
    }


def spdx_package(crate: Crate) -> dict:
    package = {
        "SPDXID": reference(crate),
        "name": crate.name,
        "versionInfo": crate.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": crate.license,
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": crate.purl,
            }
        ],
    }
    if crate.checksum:
        package["checksums"] = [{"algorithm": "SHA256", "checksumValue": crate.checksum}]
    return package


def cyclonedx(found: dict[str, Crate], root: Crate) -> dict:
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{identity(found, 'cyclonedx')}",
        "version": 1,
        "metadata": {"timestamp": CREATED, "component": component(root, "application")},
        "components": [component(crate, "library") for crate in found.values() if crate is not root],
        "dependencies": [
            {"ref": crate.purl, "dependsOn": sorted(found[it].purl for it in crate.needs)}
            for crate in found.values()
        ],
    }


def component(crate: Crate, kind: str) -> dict:
    described = {
        "type": kind,
        "bom-ref": crate.purl,
        "name": crate.name,
        "version": crate.version,
        "licenses": [{"expression": crate.license}],
        "purl": crate.purl,
    }
    if crate.checksum:
        described["hashes"] = [{"alg": "SHA-256", "content": crate.checksum}]
    return described


def reference(crate: Crate) -> str:
    return "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", f"{crate.name}-{crate.version}")


def identity(found: dict[str, Crate], kind: str) -> uuid.UUID:
    """The same for the same crates, so that a second build has it too."""
    return uuid.uuid5(uuid.NAMESPACE_URL, f"{kind} {CREATED} {' '.join(found)}")


if __name__ == "__main__":
    main()
