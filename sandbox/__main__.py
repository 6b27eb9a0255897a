"""Command line of the sandbox.

python -m sandbox up [--world NAME] [--scenario NAME]   serve the outside, print the environment
python -m sandbox demo                                  also start the bot, print the address
"""

import argparse
import asyncio
import os
import shlex
import signal
import sys
from pathlib import Path

from sandbox.main import PortInUseError, Ports, Sandbox, up
from sandbox.slack.tenant import Tenant
from sandbox.state import StateError
from sandbox.world.errors import WorldError
from sandbox.world.files import DEFAULT_WORLD, world_names

_FAILED, _STOP_SECONDS, _LAST_PORT = 1, 15.0, 65535
_ROOT = Path(__file__).resolve().parent.parent
_TO_TRY = (
    "or wait: the scheduled cycle notices the incident by itself",
    "approve as Alice; Carol may look, but not approve",
    "/sre help, /ask, /postmortem work in any channel",
    "a digest comes to #sre-digest every half hour of the world's clock",
)


def _arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="The imitated outside.")
    parser.add_argument("command", choices=("up", "demo"))
    parser.add_argument(
        "--world", default=DEFAULT_WORLD, help=f"the production: {', '.join(world_names())}"
    )
    parser.add_argument("--scenario", help="begin this story; an unknown name is told those there")
    parser.add_argument("--speed", type=float, default=1.0, help="world seconds per second (1)")
    parser.add_argument("--state", type=Path, default=Path("var/sandbox"), help="state directory")
    parser.add_argument("--at", type=float, help="world seconds until the story begins")
    parser.add_argument("--fresh", action="store_true", help="forget the last run first")
    parser.add_argument("--model", action="store_true", help="also serve the scripted model")
    parser.add_argument("--grid", action="store_true", help="Slack is an Enterprise Grid's")
    parser.add_argument(
        "--distributed", action="store_true", help="the app is distributed: history is rationed"
    )
    defaults = Ports()
    for name in ("slack", "model", "prometheus", "loki", "kubernetes", "tempo"):
        parser.add_argument(f"--{name}-port", type=_port, default=getattr(defaults, name))
    return parser.parse_args(given)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > _LAST_PORT:
        message = f"{text!r} is not a port: write a number up to {_LAST_PORT}; 0 takes a free one"
        raise argparse.ArgumentTypeError(message)
    return int(text)


async def _run(given: argparse.Namespace) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    print("starting the simulated production and the local Slack …", flush=True)
    sandbox = await up(
        given.scenario,
        given.speed,
        Ports(
            given.slack_port,
            given.model_port,
            given.prometheus_port,
            given.loki_port,
            given.kubernetes_port,
            given.tempo_port,
        ),
        given.state,
        after_seconds=given.at,
        fresh=given.fresh,
        with_model=given.model,
        world_name=given.world,
        tenant=Tenant(grid=given.grid, distributed=given.distributed),
    )
    try:
        _tell_story(sandbox)
        if given.command == "demo":
            return await _demo(sandbox, stop)
        for name, value in sandbox.env.items():
            print(f"export {name}={shlex.quote(value)}")
        print(f"# local Slack: {sandbox.page}   stop with Ctrl-C", flush=True)
        await stop.wait()
    finally:
        await sandbox.close()
    return 0


def _tell_story(sandbox: Sandbox) -> None:
    story = sandbox.world.stories[-1]
    wait = (story.begins_at - sandbox.clock.now()) / sandbox.clock.speed
    when = f"begins in {wait:.0f} s" if wait > 0 else f"has been going on for {-wait:.0f} s"
    print(f"# story {story.scenario.name!r} {when}")


async def _demo(sandbox: Sandbox, stop: asyncio.Event) -> int:
    # The shipped digest comes at nine on workdays; nobody who looks around waits for that.
    env = {**os.environ, "SRE_AGENT_SLACK__DIGEST__CRON": "*/30 * * * *", **sandbox.env}
    bot = await asyncio.create_subprocess_exec(sys.executable, "-m", "bot", "run", env=env)
    print(f"\n  open {sandbox.page}\n")
    for line in (*sandbox.world.blueprint.to_try, *_TO_TRY):
        print(f"  - {line}")
    print("\n  stop with Ctrl-C", flush=True)
    ended, stopped = asyncio.create_task(bot.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if bot.returncode is not None and not stop.is_set():
        print(f"sandbox: the bot ended with status {bot.returncode}; see above", file=sys.stderr)
        return _FAILED
    if bot.returncode is None:
        bot.terminate()
        try:
            await asyncio.wait_for(bot.wait(), _STOP_SECONDS)
        except TimeoutError:
            bot.kill()
            await bot.wait()
    ended.cancel()
    return 0


def main(given: list[str] | None = None) -> int:
    """Run a command and return its exit status."""
    try:
        return asyncio.run(_run(_arguments(given)))
    except (PortInUseError, StateError, WorldError) as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return _FAILED
    except ValueError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
