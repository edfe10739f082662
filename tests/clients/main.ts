// Run with '["<client>", {"api", "unavailable", "broken"}]': runs the session with a client, and prints what it saw.

import * as hey_api from "./hey_api.js";
import * as openapi_fetch from "./openapi_fetch.js";
import * as orval from "./orval.js";
import { session, type Apis } from "./session.js";

declare const process: { argv: string[] };

const clients = { hey_api, openapi_fetch, orval };
const [client, apis] = JSON.parse(String(process.argv[2])) as [keyof typeof clients, Apis];
void session(clients[client].connect, apis).then((seen) => console.log(JSON.stringify(seen)));
