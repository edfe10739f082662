"""Settings from one secret of AWS Secrets Manager, so that a rotation reaches every new instance by itself.

Imported only where `SECRET_ID` is set: it needs boto3, which Lambda brings and which takes half a second to import.
"""

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError
from pydantic_settings import AWSSecretsManagerSettingsSource, BaseSettings

SECRET_MEMBERS = ("database_url", "better_auth_secret", "better_auth_secret_previous", "trusted_proxy_secret")
"""The members that are read. A secret may hold more, such as the owner's DATABASE_DIRECT_URL; it is not read."""

REASONS_BY_ERROR_CODE = {
    "AccessDeniedException": "the function may not read it (secretsmanager:GetSecretValue, kms:Decrypt)",
    "DecryptionFailure": "it cannot be decrypted (kms:Decrypt)",
    "InvalidRequestException": "it is marked for deletion, or has no value yet",
    "ResourceNotFoundException": "there is no such secret, or it has no value yet",
}


class UnreadableSecret(Exception):
    """The secret cannot be used. The message says why, and shows nothing of the secret's content."""


class SecretSource(AWSSecretsManagerSettingsSource):
    """pydantic-settings' source for Secrets Manager, limited to `SECRET_MEMBERS`.

    :raises UnreadableSecret: it cannot be fetched, or is not a JSON object of texts
    """

    def __init__(self, settings_cls: type[BaseSettings], secret_id: str) -> None:
        try:
            super().__init__(settings_cls, secret_id, case_sensitive=False)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            raise UnreadableSecret(REASONS_BY_ERROR_CODE.get(code, code)) from None
        except BotoCoreError as error:  # no region, no credentials, no network
            raise UnreadableSecret(f"Secrets Manager cannot be asked ({type(error).__name__})") from None
        except (AttributeError, KeyError, TypeError, ValueError):  # not text, not JSON, not an object
            raise UnreadableSecret('it must be a JSON object of texts, such as {"DATABASE_URL": "…"}') from None

    def _load_env_vars(self) -> Mapping[str, str | None]:
        members = super()._load_env_vars()
        return {name: members[name] for name in SECRET_MEMBERS if members.get(name)}  # empty is not set, as elsewhere
