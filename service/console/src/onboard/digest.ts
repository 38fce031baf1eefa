// SHA-256 of files. Browsers hash for https and localhost only, and only what is in memory at once: elsewhere it is done here, by pieces.

import { sha256 } from "@noble/hashes/sha2.js";

const PIECE = 4 << 20;
const IN_ONE_GO = 64 << 20;

export async function sha256Of(file: Blob): Promise<Uint8Array> {
  if (crypto.subtle && file.size <= IN_ONE_GO) return new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
  const hasher = sha256.create();
  for await (const piece of piecesOf(file)) hasher.update(piece);
  return hasher.digest();
}

export async function* piecesOf(file: Blob): AsyncGenerator<Uint8Array> {
  for (let start = 0; start < file.size; start += PIECE) yield new Uint8Array(await file.slice(start, start + PIECE).arrayBuffer());
}

export const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const base64 = (bytes: Uint8Array) => btoa(String.fromCharCode(...bytes));
