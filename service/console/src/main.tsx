// The console: what the API can do, to look at. It talks to the API that it came from and to nobody else.

import { render } from "preact";
import { App } from "./app";

render(<App />, document.getElementById("console")!);
