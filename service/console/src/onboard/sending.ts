// A file on its way. XMLHttpRequest, as fetch does not tell how far an upload is.

import { authorization, problemOf, unreachable } from "../api";
import type { KeptImage } from "../schema";

const SILENT_MS = 120_000; // the service itself gives up after 30 s without a byte; decoding may take it 90

/** PUTs it. Throws a Problem. */
export function sendFile(path: string, file: Blob, headers: Record<string, string>, onSent: (bytes: number) => void): Promise<KeptImage> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    request.open("PUT", path.replace(/^\//, ""));
    for (const [name, value] of Object.entries({ ...authorization(), "Content-Type": "application/octet-stream", ...headers }))
      request.setRequestHeader(name, value);
    let watchdog = setTimeout(() => request.abort(), SILENT_MS);
    request.upload.onprogress = ({ loaded }) => {
      clearTimeout(watchdog);
      watchdog = setTimeout(() => request.abort(), SILENT_MS);
      onSent(loaded);
    };
    request.onload = () => {
      const { status, responseText } = request;
      if (status === 200 || status === 201) done(JSON.parse(responseText));
      else fail(problemOf(status, responseText, request.getResponseHeader("Retry-After")));
    };
    request.onerror = request.onabort = () => fail(unreachable());
    request.onloadend = () => clearTimeout(watchdog);
    request.send(file);
  });
}
