// Emoji names people and the bot use, as Unicode. An unknown name stays ":name:".

const TABLE = `
+1 👍|thumbsup 👍|-1 👎|thumbsdown 👎|eyes 👀|white_check_mark ✅|heavy_check_mark ✔️|ballot_box_with_check ☑️
x ❌|no_entry ⛔|no_entry_sign 🚫|warning ⚠️|rotating_light 🚨|red_circle 🔴|large_orange_circle 🟠|large_yellow_circle 🟡
large_green_circle 🟢|large_blue_circle 🔵|white_circle ⚪|black_circle ⚫|large_purple_circle 🟣|fire 🔥|tada 🎉|rocket 🚀
bug 🐛|wrench 🔧|hammer 🔨|hammer_and_wrench 🛠️|gear ⚙️|mag 🔍|mag_right 🔎|bar_chart 📊|chart_with_upwards_trend 📈
chart_with_downwards_trend 📉|clipboard 📋|memo 📝|pencil ✏️|book 📖|books 📚|bookmark 🔖|link 🔗|lock 🔒|unlock 🔓|key 🔑
bell 🔔|no_bell 🔕|mute 🔇|hourglass ⌛|hourglass_flowing_sand ⏳|stopwatch ⏱️|alarm_clock ⏰|clock1 🕐|calendar 📅|date 📅
arrow_up ⬆️|arrow_down ⬇️|arrow_right ➡️|arrow_left ⬅️|arrow_upper_right ↗️|arrow_lower_right ↘️|rewind ⏪|fast_forward ⏩
leftwards_arrow_with_hook ↩️|arrows_counterclockwise 🔄|recycle ♻️|repeat 🔁|black_square_for_stop ⏹️|octagonal_sign 🛑
stop_button ⏹️|double_vertical_bar ⏸️|arrow_forward ▶️|bulb 💡|zap ⚡|boom 💥|sparkles ✨|star ⭐|star2 🌟|100 💯
robot_face 🤖|wave 👋|pray 🙏|clap 👏|raised_hands 🙌|muscle 💪|ok_hand 👌|point_right 👉|point_left 👈|point_up ☝️
raised_hand ✋|hand ✋|heart ❤️|green_heart 💚|blue_heart 💙|broken_heart 💔|smile 😄|smiley 😃|grinning 😀|slightly_smiling_face 🙂
wink 😉|joy 😂|thinking_face 🤔|sob 😭|cry 😢|scream 😱|sweat_smile 😅|sunglasses 😎|face_with_monocle 🧐|sleeping 😴
confused 😕|rage 😡|see_no_evil 🙈|coffee ☕|beer 🍺|package 📦|inbox_tray 📥|outbox_tray 📤|speech_balloon 💬|thought_balloon 💭
mega 📣|loudspeaker 📢|telephone_receiver 📞|pager 📟|computer 💻|desktop_computer 🖥️|floppy_disk 💾|cd 💿|satellite 🛰️
globe_with_meridians 🌐|whale 🐳|elephant 🐘|turtle 🐢|snail 🐌|sunny ☀️|partly_sunny ⛅|cloud ☁️|rain_cloud 🌧️|snowflake ❄️
thermometer 🌡️|ambulance 🚑|fire_engine 🚒|construction 🚧|triangular_flag_on_post 🚩|checkered_flag 🏁|dart 🎯|shield 🛡️
test_tube 🧪|microscope 🔬|syringe 💉|adhesive_bandage 🩹|ledger 📒|moneybag 💰|bank 🏦|heavy_plus_sign ➕|heavy_minus_sign ➖
question ❓|exclamation ❗|information_source ℹ️|one 1️⃣|two 2️⃣|three 3️⃣|small_red_triangle 🔺|small_red_triangle_down 🔻
large_blue_square 🟦|large_green_square 🟩|large_red_square 🟥|large_yellow_square 🟨|white_large_square ⬜|black_large_square ⬛
card_index_dividers 🗂️|card_file_box 🗃️|wastebasket 🗑️|pushpin 📌|round_pushpin 📍|paperclip 📎|scroll 📜|newspaper 📰
`;

const EMOJI = new Map(TABLE.trim().split(/[|\n]/).map((pair) => pair.trim().split(" ")));

/** Unicode of a name like "eyes" or "+1::skin-tone-2", or null. */
export const emoji = (name) => EMOJI.get(name.split("::")[0]) ?? null;

/** What a chip shows: the character, or the name between colons. */
export const emojiText = (name) => emoji(name) ?? `:${name}:`;

/** Names offered when somebody adds a reaction. */
export const QUICK_REACTIONS = ["+1", "eyes", "white_check_mark", "tada", "pray", "thinking_face", "x", "-1"];

/** Replace :names: inside plain text. */
export const withEmoji = (text) =>
  String(text ?? "").replace(/:([a-z0-9_+-]+(?:::skin-tone-\d)?):/g, (whole, name) => emoji(name) ?? whole);
