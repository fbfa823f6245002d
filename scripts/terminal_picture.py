"""Draw the README's picture, the output of `hicmae predict` on the sample clip, as SVG.

python scripts/terminal_picture.py docs/assets/predict.svg
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from hicmae_cli.bundled import DEFAULT_WEIGHT, find_sample_clip
from hicmae_cli.report.console import licence_line, print_prediction, weight_notice
from hicmae_cli.runtime.batch import PredictorPool


def main() -> None:
    target = Path(sys.argv[1])
    with PredictorPool() as pool:
        (result,) = pool.predict([find_sample_clip()])
    console = Console(record=True, width=92, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text("$ hicmae predict docs/assets/speech_sample.mp4", style="bold"))
    console.print(licence_line(DEFAULT_WEIGHT, pool.model.info), style="dim", highlight=False)
    if notice := weight_notice(DEFAULT_WEIGHT, pool.model.info):
        console.print(notice, style="yellow", highlight=False)
    print_prediction(console, [result], pool.model.info)
    picture = console.export_svg(title="hicmae", unique_id="hicmae")
    # Rich asks for fonts from a CDN; without them a viewer takes its own monospaced font, and nothing is loaded.
    target.write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
