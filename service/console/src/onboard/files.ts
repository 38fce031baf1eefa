// Which of the files that were chosen or dropped are wanted, and what they are called.

import type { ImageKind } from "../schema";

export const PHOTOS = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif", ".hif", ".avif"];
export const VIDEOS = [".mp4", ".mov", ".m4v", ".3gp", ".avi", ".mkv", ".webm"];
const CLUTTER = /^(\.|__MACOSX|Thumbs\.db$|desktop\.ini$)/;
const MOST_FILES = 5000;

export interface Chosen {
  file: File;
  kind: ImageKind;
}

export interface Pile {
  chosen: Chosen[];
  zips: File[];
  /** Names of those that are neither photo nor video. */
  others: string[];
  /** What the folder or the zip is called. */
  title?: string;
}

const endsOn = (name: string, endings: string[]) => endings.some((ending) => name.toLowerCase().endsWith(ending));

/** What file managers put beside photos. */
export const isClutter = (path: string) => path.split(/[\\/]/).some((part) => CLUTTER.test(part));

export const isPhoto = (name: string) => endsOn(name, PHOTOS);

export const titleOf = (name: string) => name.replace(/\.\w+$/, "").trim();

export function sorted(files: File[]): Pile {
  const pile: Pile = { chosen: [], zips: [], others: [], title: files[0]?.webkitRelativePath.split("/")[0] || undefined };
  for (const file of files) {
    if (isClutter(file.webkitRelativePath || file.name)) continue;
    if (endsOn(file.name, VIDEOS)) pile.chosen.push({ file, kind: "video" });
    else if (isPhoto(file.name) || file.type.startsWith("image/")) pile.chosen.push({ file, kind: "photos" });
    else if (endsOn(file.name, [".zip"])) pile.zips.push(file);
    else pile.others.push(file.name);
  }
  if (pile.zips.length === 1 && !pile.chosen.length) pile.title = titleOf(pile.zips[0]!.name);
  return pile;
}

/** Everything that was dropped, what is in folders too. */
export async function droppedFiles(transfer: DataTransfer): Promise<Pile> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry()).filter((entry) => entry !== null);
  const files: File[] = entries.length ? [] : [...transfer.files];
  for (const entry of entries) await collect(entry, files);
  const folder = entries.length === 1 && entries[0]!.isDirectory ? entries[0]!.name : undefined;
  const pile = sorted(files);
  return { ...pile, title: folder ?? pile.title };
}

async function collect(entry: FileSystemEntry, files: File[]): Promise<void> {
  if (isClutter(entry.name) || files.length >= MOST_FILES) return;
  if (entry.isFile) {
    files.push(await new Promise<File>((done, fail) => (entry as FileSystemFileEntry).file(done, fail)));
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const some = () => new Promise<FileSystemEntry[]>((done, fail) => reader.readEntries(done, fail)); // a hundred at a time
  for (let found = await some(); found.length; found = await some()) for (const one of found) await collect(one, files);
}
