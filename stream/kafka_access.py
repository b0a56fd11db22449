"""How Kafka lets us in: TLS and SASL from the settings, as aiokafka's arguments and as Faust's credentials."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from stream.log import Log, LogAway
from stream.settings import Settings, SettingsError

CONNECT_SECONDS = 15


@asynccontextmanager
async def open_log(settings: Settings, seconds: float = CONNECT_SECONDS) -> AsyncIterator[Log]:
    """Connect to the brokers of the settings.

    Raises `LogUnreachable`, `LogAway` when nothing answers for `seconds`, and `SettingsError`.
    """
    security = kafka_arguments(settings)
    # What the client logs meanwhile is said by the error, in one line.
    logger = logging.getLogger("aiokafka")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        async with asyncio.timeout(seconds):
            log = await Log.open(settings.broker_list, security)
    except TimeoutError:
        raise LogAway(
            f"no Kafka broker answers at {settings.brokers} within {seconds:g} s: start it, or correct "
            f"SIXFOLD_BROKERS ({settings.origins()['brokers']})"
        ) from None
    finally:
        logger.setLevel(level)
    async with log:
        yield log


def kafka_arguments(settings: Settings) -> dict[str, Any]:
    """What aiokafka needs for the brokers of the settings; none for plain connections.

    Raises `SettingsError` naming a file that cannot be used, or a user that is missing.
    """
    protocol = settings.kafka_security_protocol
    if protocol == "PLAINTEXT":
        return {}
    if protocol.startswith("SASL") and not settings.kafka_username:
        # an error here and not of the settings: the page and others share these, and need no login
        raise SettingsError(
            f"SIXFOLD_KAFKA_SECURITY_PROTOCOL={protocol} ({settings.origins()['kafka_security_protocol']}): needs a "
            "user: set SIXFOLD_KAFKA_USERNAME and SIXFOLD_KAFKA_PASSWORD (or SIXFOLD_KAFKA_PASSWORD_FILE)"
        )
    arguments: dict[str, Any] = {"security_protocol": protocol}
    if protocol.endswith("SSL"):
        arguments["ssl_context"] = _tls(settings)
    if protocol.startswith("SASL"):
        arguments |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password.get_secret_value(),
        }
    return arguments


def faust_credentials(settings: Settings) -> Any:  # noqa: ANN401 - one of Faust's credential classes, or None
    """The same for Faust; None for plain connections. Raises `SettingsError`."""
    import faust

    arguments = kafka_arguments(settings)
    if not arguments:
        return None
    context = arguments.get("ssl_context")
    if "sasl_mechanism" in arguments:
        return faust.SASLCredentials(
            username=arguments["sasl_plain_username"],
            password=arguments["sasl_plain_password"],
            mechanism=arguments["sasl_mechanism"],
            ssl_context=context,
        )
    return faust.SSLCredentials(context)


def _tls(settings: Settings) -> ssl.SSLContext:
    """The brokers must show a certificate for their names, of an authority that we trust."""
    origins = settings.origins()
    name = "kafka_ca_file"
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
        if settings.kafka_certificate_file is not None:
            name = "kafka_certificate_file"
            context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    except (OSError, ssl.SSLError) as error:
        path = getattr(settings, name)
        raise SettingsError(
            f"SIXFOLD_{name.upper()} ({origins[name]}): cannot use {path}: {error.strerror or error}; it must be a "
            "PEM file that this user may read"
        ) from None
    return context
