"""What a function's environment says of the function and of the core's own services.

With ``MY_FUNCTION_ARN`` None the SDK assumes that it runs on no core, and answers with mock data.
"""

import os

AUTH_TOKEN = os.getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN")
MY_FUNCTION_ARN = os.getenv("MY_FUNCTION_ARN")
ROUTER_FUNCTION_ARN = os.getenv("ROUTER_FUNCTION_ARN", "arn:aws:lambda:::function:GGRouter")
SHADOW_FUNCTION_ARN = os.getenv("SHADOW_FUNCTION_ARN", "arn:aws:lambda:::function:GGShadowService")
SECRETS_MANAGER_FUNCTION_ARN = os.getenv(
    "SECRETS_MANAGER_FUNCTION_ARN", "arn:aws:lambda:::function:GGSecretManager"
)
