/** What can be taken back, and done again. */
export class UndoStack<T> {
  private done: T[];
  private undone: T[] = [];
  private label = "";
  private labelledAt = 0;

  constructor(
    first: T,
    private readonly most = 200,
  ) {
    this.done = [first];
  }

  get now(): T {
    return this.done.at(-1) as T;
  }

  get canUndo(): boolean {
    return this.done.length > 1;
  }

  get canRedo(): boolean {
    return this.undone.length > 0;
  }

  /** Steps of one label in quick succession are one: a number that is being typed, a handle that goes by arrow keys. */
  push(value: T, label = "", now = performance.now()): void {
    const again = label !== "" && label === this.label && now - this.labelledAt < 1_000 && this.canUndo;
    if (again) this.done[this.done.length - 1] = value;
    else this.done.push(value);
    if (this.done.length > this.most) this.done.shift();
    this.undone = [];
    this.label = label;
    this.labelledAt = now;
  }

  undo(): T {
    if (this.canUndo) this.undone.push(this.done.pop() as T);
    this.label = "";
    return this.now;
  }

  redo(): T {
    const value = this.undone.pop();
    if (value !== undefined) this.done.push(value);
    this.label = "";
    return this.now;
  }
}
