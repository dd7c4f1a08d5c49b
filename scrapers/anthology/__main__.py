"""`python -m scrapers.anthology` serves the anthology for a look in a browser."""

from threading import Event

from scrapers.anthology.server import serve

if __name__ == "__main__":
    with serve() as address:
        print(f"The anthology is at {address}/ (Ctrl-C stops it)", flush=True)
        try:
            Event().wait()
        except KeyboardInterrupt:
            print()
