// Run by test_ag_ui.py: runs AG-UI's own client against a server, and prints the messages it has made of the events.
import { HttpAgent } from "@ag-ui/client";

const [url, prompt] = process.argv.slice(2);
const agent = new HttpAgent({ url, threadId: "thread-1" });
agent.addMessage({ id: "m-1", role: "user", content: prompt });
const custom = [];
let failure = null;
let finished = null;
await agent
  .runAgent(
    { runId: "run-1" },
    {
      onCustomEvent: ({ event }) => void custom.push(event.name),
      onRunErrorEvent: ({ event }) => void (failure = event.message),
      onRunFinishedEvent: ({ event }) => void (finished = event.outcome ?? null),
    },
  )
  .catch((error) => (failure ??= String(error)));
process.stdout.write(JSON.stringify({ messages: agent.messages, custom, failure, finished }));
