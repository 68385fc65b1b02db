"""The way from a browser to an agent on AgentCore Runtime, over AWS Lambda with response streaming.

Python on Lambda cannot stream by itself; with the Lambda Web Adapter any web server can. As a container image:

    FROM public.ecr.aws/docker/library/python:3.13-slim
    COPY --from=public.ecr.aws/awsguru/aws-lambda-adapter:0.9.1 /lambda-adapter /opt/extensions/lambda-adapter
    ENV AWS_LWA_INVOKE_MODE=response_stream
    RUN pip install 'strands-agentmem[web]' uvicorn
    COPY lambda_chat.py .
    CMD ["python", "lambda_chat.py"]

and a function URL with `InvokeMode: RESPONSE_STREAM`. The function may call bedrock-agentcore:InvokeAgentRuntime on the
agent, whose ARN is in AGENT_RUNTIME_ARN. A stream is not resumable here: the next request may meet another instance.
"""

import json
import os

import boto3
import uvicorn
from botocore.config import Config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from agentmem import AgentMemError
from agentmem.streaming import invoke_stream_async, sse_response

# One try: a second would ask the agent twice. The agent may be silent for two minutes.
client = boto3.client("bedrock-agentcore", config=Config(retries={"total_max_attempts": 1}, read_timeout=120))


async def chat(request: Request) -> Response:
    """Stream what the agent answers."""
    try:
        question = await request.json()
        session_id, prompt = question["session_id"], question["prompt"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return JSONResponse({"error": "send {'session_id': '...', 'prompt': '...'}"}, 400)
    try:
        events = invoke_stream_async(client, os.environ["AGENT_RUNTIME_ARN"], session_id, {"prompt": prompt})
    except AgentMemError as error:
        return JSONResponse({"error": str(error)}, 400)
    return sse_response(events)


app = Starlette(routes=[Route("/chat", chat, methods=["POST"])])

if __name__ == "__main__":
    uvicorn.run(app, port=int(os.environ.get("AWS_LWA_PORT", "8080")), log_level="warning")
