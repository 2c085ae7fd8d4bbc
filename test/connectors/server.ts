// The server of the conformance suite, as the tests of connectors call it.
export {
  type Answer,
  type Asked,
  type Fault,
  HTML,
  json,
  openServer,
  send,
  type TestServer,
} from "../../src/conformance/server.ts";
