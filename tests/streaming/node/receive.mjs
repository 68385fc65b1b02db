// Run by test_receive_js.py: receives a stream with the module under test and prints what arrived, line by line.
import { pathToFileURL } from "node:url";

const [modulePath, order] = process.argv.slice(2);
const { receive } = await import(pathToFileURL(modulePath).href);
const { url, body, method, headers, abortAfter, leaveAfter, retries } = JSON.parse(order);
const controller = new AbortController();
const print = (line) => process.stdout.write(JSON.stringify(line) + "\n");
let count = 0;
try {
  const events = receive(url, {
    body,
    method,
    headers,
    retries,
    signal: controller.signal,
    onReconnect: (attempt) => print({ reconnect: attempt }),
  });
  for await (const event of events) {
    print(event);
    count += 1;
    if (count === abortAfter) controller.abort();
    if (count === leaveAfter) break;
  }
  print({ end: true });
} catch (error) {
  print({ thrown: error.name, message: error.message, status: error.status });
}
