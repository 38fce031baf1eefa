// A draft being filled: what was typed is saved as it is typed, files go their way whatever page is shown.

import { api, newKey, Problem } from "../api";
import type { ObjectRow } from "../schema";
import type { Pile } from "./files";
import { type Forms, formsOf, NO_NAME, SECTIONS, type Section, type Wish, wishes } from "./forms";
import { limits } from "./limits";
import { notes } from "./notes";
import { persist } from "./persist";
import { type Item, UploadQueue } from "./queue";
import { Store } from "./store";
import { unzipped } from "./unzip";

const TYPING_MS = 500;

export class Session extends Store {
  forms = formsOf(NO_NAME, {});
  loaded = false;
  /** What the service has refused, or what it is waited for, by where it was typed. */
  problems: Partial<Record<Section | "files", Problem>> = {};
  /** Zips being opened. */
  opening: string[] = [];
  others: string[] = [];
  readonly queue = new UploadQueue(() => this.ensure());
  private unsaved = new Set<Section>();
  private seenAt = 0;
  private made: Promise<string> | undefined;
  private readonly draftKey = newKey();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private saving: Promise<void> = Promise.resolve();

  constructor(public id?: string) {
    super();
    if (id === undefined) this.begin(formsOf(NO_NAME, {}));
  }

  /** What the service has of the draft, and over that what had not got there before the page was left. */
  load(object: ObjectRow) {
    const newer = object.updated_at > this.seenAt;
    this.seenAt = Math.max(this.seenAt, object.updated_at);
    if (!this.loaded) this.begin(formsOf(object.name, object.options));
    else if (newer && !this.unsaved.size) this.forms = formsOf(object.name, object.options); // changed on another page
  }

  edit<S extends Section>(section: S, form: Forms[S]) {
    this.forms = { ...this.forms, [section]: form };
    this.unsaved.add(section);
    delete this.problems[section];
    this.note();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save(), TYPING_MS);
    this.changed();
  }

  async add(pile: Pile) {
    if (!this.forms.name && pile.title) this.edit("name", pile.title.slice(0, 200));
    this.others = pile.others;
    delete this.problems.files;
    this.queue.add(pile.chosen);
    for (const zip of pile.zips) await this.open(zip);
    this.changed();
  }

  /** What is missing in a section before it can be saved; undefined where nothing is. */
  missing(section: Section): string | undefined {
    const wish = this.wish(section);
    return "missing" in wish ? wish.missing : undefined;
  }

  get isSaving(): boolean {
    return [...this.unsaved].some((section) => !this.missing(section) && !this.problems[section]);
  }

  /** Resolves when everything that can be saved is. */
  save(): Promise<void> {
    clearTimeout(this.timer);
    this.saving = this.saving.then(() => this.saveAll());
    return this.saving;
  }

  /** The file of a photo that went from here, by the name that it has there. */
  fileOf(photo: string): Item | undefined {
    return this.queue.items.find((item) => item.kind === "photos" && item.photo === photo);
  }

  /** Its id; made where there is none yet. */
  ensure(): Promise<string> {
    if (this.id) return Promise.resolve(this.id);
    this.made ??= this.make();
    this.made.catch(() => (this.made = undefined));
    return this.made;
  }

  private async make(): Promise<string> {
    const { id } = await persist(() => api.draft({ name: this.forms.name.trim() || NO_NAME }, this.draftKey));
    this.id = id;
    notes.move("new", id);
    started(this, id);
    return id;
  }

  private begin(forms: Forms) {
    const noted = notes.read(this.id ?? "new");
    this.forms = { ...forms, ...noted };
    this.loaded = true;
    for (const section of SECTIONS) if (section in noted) this.unsaved.add(section);
    if (this.unsaved.size) void this.save();
    this.changed();
  }

  private async saveAll(): Promise<void> {
    for (const section of [...this.unsaved]) await this.saveOne(section);
    this.note();
    this.changed();
  }

  private async saveOne(section: Section): Promise<void> {
    const [form, wish] = [this.forms[section], this.wish(section)];
    if ("missing" in wish) return;
    const waiting = (problem: Problem) => {
      this.problems[section] = problem;
      this.changed();
    };
    try {
      const id = await this.ensure();
      const changed = await persist(() => api.change(id, wish.change), waiting);
      this.seenAt = changed.updated_at;
      if (this.forms[section] !== form) return;
      this.unsaved.delete(section);
      delete this.problems[section];
    } catch (error) {
      this.problems[section] = error instanceof Problem ? error : new Problem(0, "defect", String(error), "try it again");
    }
  }

  private async open(zip: File) {
    this.opening = [...this.opening, zip.name];
    this.changed();
    try {
      const known = await persist(limits);
      const bounds = { photos: known.max_photos ?? 500, photoBytes: known.max_file_bytes ?? 50 << 20, allBytes: known.max_upload_bytes ?? 2 ** 32 };
      for await (const file of unzipped(zip, bounds)) this.queue.add([{ file, kind: "photos" }]);
    } catch (error) {
      this.problems.files = error instanceof Problem ? error : new Problem(0, "unreadable", `${zip.name} can't be read`, "choose it again");
    }
    this.opening = this.opening.filter((name) => name !== zip.name);
  }

  private wish(section: Section): Wish {
    return (wishes[section] as (form: unknown) => Wish)(this.forms[section]);
  }

  private note() {
    notes.write(this.id ?? "new", Object.fromEntries([...this.unsaved].map((section) => [section, this.forms[section]])));
  }
}

const sessions = new Map<string, Session>();

/** The one of that draft, as long as the page is not loaded anew: it may have files on their way. */
export function sessionOf(id: string): Session {
  if (!sessions.has(id)) sessions.set(id, new Session(id));
  return sessions.get(id)!;
}

/** The draft has an address now: a reload goes on with it. */
function started(session: Session, id: string) {
  sessions.set(id, session);
  if (/^#\/new\/?$/.test(location.hash)) location.replace(`#/new/${id}`);
}

addEventListener("beforeunload", (event) => {
  if ([...sessions.values()].some((session) => session.queue.underway())) event.preventDefault();
});
