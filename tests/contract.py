"""The service's own rules, from botocore's service models."""

import functools
import re

import botocore.session


@functools.cache
def model(service):
    return botocore.session.get_session().get_service_model(service)


def shape(service, name):
    return model(service).shape_for(name)


def rules(service, name):
    """The pattern, the least and the most characters of a string shape."""
    metadata = shape(service, name).metadata
    return metadata.get("pattern"), metadata.get("min"), metadata.get("max")


def is_valid(service, name, text):
    pattern, least, most = rules(service, name)
    return (least or 0) <= len(text) <= (most or len(text)) and (pattern is None or bool(re.fullmatch(pattern, text)))
