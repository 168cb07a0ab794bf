"""The part of the global XDM that tutorials use: two classes and two field groups, as Schema Registry documents."""

from __future__ import annotations

from typing import Any, Final

PROFILE: Final = "https://ns.adobe.com/xdm/context/profile"
EXPERIENCE_EVENT: Final = "https://ns.adobe.com/xdm/context/experienceevent"
UNION_TAG: Final = "union"

_STRING: Final[dict[str, Any]] = {"type": "string", "meta:xdmType": "string"}
_DATE: Final[dict[str, Any]] = {"type": "string", "format": "date", "meta:xdmType": "date"}
_DATE_TIME: Final[dict[str, Any]] = {"type": "string", "format": "date-time", "meta:xdmType": "date-time"}
_BOOLEAN: Final[dict[str, Any]] = {"type": "boolean", "meta:xdmType": "boolean"}
_YEAR: Final[dict[str, Any]] = {"type": "integer", "minimum": 1, "maximum": 32767, "meta:xdmType": "short"}
_NUMBER: Final[dict[str, Any]] = {"type": "number", "meta:xdmType": "double"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "meta:xdmType": "object", "properties": properties}


def _texts(*names: str) -> dict[str, Any]:
    return dict.fromkeys(names, _STRING)


_REPOSITORY = _object(createDate=_DATE_TIME, modifyDate=_DATE_TIME)
_PHONE = _object(**_texts("number", "extension", "status", "statusReason", "validity"), primary=_BOOLEAN)
_EMAIL = _object(**_texts("address", "label", "status", "statusReason", "type"), primary=_BOOLEAN)
_ADDRESS = _object(
    **_texts(
        "street1", "street2", "street3", "street4", "city", "state", "stateProvince", "region", "postalCode",
        "country", "countryCode", "label", "status",
    ),
    primary=_BOOLEAN,
    _schema=_object(latitude=_NUMBER, longitude=_NUMBER, description=_STRING),
)  # fmt: skip
_NAME = _object(**_texts("fullName", "firstName", "middleName", "lastName", "courtesyTitle", "suffix"))
_PERSON = _object(
    name=_NAME,
    birthDate=_DATE,
    birthDayAndMonth=_STRING,
    birthYear=_YEAR,
    **_texts("gender", "maritalStatus", "nationality", "taxId"),
)


def _document(id: str, title: str, kind: str, properties: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "$id": id,
        "meta:altId": "_xdm." + id.removeprefix("https://ns.adobe.com/xdm/").replace("/", "."),
        "meta:resourceType": kind,
        "version": "1",
        "title": title,
        "type": "object",
        "meta:extensible": True,
        "meta:abstract": True,
        "meta:containerId": "global",
        "meta:tenantNamespace": "_xdm",
        "meta:xdmType": "object",
        "properties": properties,
        **more,
    }


CLASSES: Final = (
    _document(
        PROFILE,
        "XDM Individual Profile",
        "classes",
        {
            "_id": _STRING,
            "_repo": _REPOSITORY,
            **_texts("createdByBatchID", "modifiedByBatchID", "personID"),
            **_texts("repositoryCreatedBy", "repositoryLastModifiedBy"),
        },
        **{"meta:extends": ["https://ns.adobe.com/xdm/data/record"]},
    ),
    _document(
        EXPERIENCE_EVENT,
        "XDM ExperienceEvent",
        "classes",
        {"_id": _STRING, "timestamp": _DATE_TIME, **_texts("eventType", "eventMergeId", "producedBy")},
        required=["_id", "timestamp"],
        **{"meta:extends": ["https://ns.adobe.com/xdm/data/time-series"]},
    ),
)

FIELD_GROUPS: Final = (
    _document(
        "https://ns.adobe.com/xdm/context/profile-person-details",
        "Demographic Details",
        "mixins",
        {"person": _PERSON},
        **{"meta:intendedToExtend": [PROFILE]},
    ),
    _document(
        "https://ns.adobe.com/xdm/context/profile-personal-details",
        "Personal Contact Details",
        "mixins",
        {
            "personalEmail": _EMAIL,
            "mobilePhone": _PHONE,
            "homePhone": _PHONE,
            "faxPhone": _PHONE,
            "homeAddress": _ADDRESS,
        },
        **{"meta:intendedToExtend": [PROFILE]},
    ),
)

BY_ID: Final = {document["$id"]: document for document in (*CLASSES, *FIELD_GROUPS)}
"""Every global document by its ``$id``."""
