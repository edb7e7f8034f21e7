"""Names of persons, in Chinese and in English, where names of areas, offices and types of problem are expected.

One value alone tells little: 王府井 begins with a surname, and a school may be called after a man. So most is judged by
the column: which share of its distinct values looks like names of persons and not like places. Only forms that nothing
else has are told one by one: a surname with a title, and "SMITH, JOHN".

The lists hold frequent names, after the yearly name reports of the Chinese Ministry of Public Security and the lists
of the US Census and Social Security Administration; they are not complete and need not be, as a column is judged
by its share. Left out are names that are as often a word (房, 路, 水; Will, Grant, Rose) or a place (Madison, Jackson).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal

A_NAME: Final = "a person's name"


def words_of(text: str) -> frozenset[str]:
    """The words of a text, each once."""
    return frozenset(text.split())


# ---- Chinese ----

_SURNAMES: Final = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴"
    "夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文庞樊兰殷施陶洪"
    "翟安颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂柴焦向柳邢骆岳齐沿梅莫庄辛管祝左涂谷祁耿牟卜詹关苗凌费纪靳盛童欧甄项"
    "曲成游阳裴席卫查屈鲍霍翁隋甘景薄柯阮桂闵解强柏华滕穆喻冉宁裘嵇褚仇冷邬楚肖闫付代邝岑晏蓝戚覃佟麦蒲"
)
_TOP_SURNAMES: Final = frozenset(
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧肖程曹袁邓许傅付沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎闫余"
    "潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_COMPOUND: Final = (
    "欧阳|司马|上官|诸葛|皇甫|令狐|慕容|尉迟|司徒|公孙|长孙|宇文|夏侯|独孤|端木|轩辕|申屠|太史|淳于|澹台|公冶|呼延|"
    "闻人|鲜于|闾丘|司空"
)
_GIVEN: Final = frozenset(
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉萍红玲芬燕彩兰凤洁梅琳素云莲真环雪荣爱妹香月莺媛瑞凡佳嘉琼"
    "勤珍贞莉欣怡婷倩雯颖露瑶婉娴瑾柔薇菁梦岚苑婕馨琪晶妍茜秋珊莎锦黛青姬舒影荔枝思飘育馥琦晨轩清子女涵萱梓雨泽宇"
    "浩然博文俊豪志鹏飞龙虎辉建国民生庆春福贵才成德光亮宏兴旺海山川仁义信忠良善诚学友朋礼智贤达康宁顺昌盛永健世广"
    "立新卫东小晓大少长金银铁铭钧钢锋锐鑫森林树松柏楠桐栋梁枫彬斌武威毅坚胜利凯旋帆航远征程进步升腾翔鸿鹤鸣麟骏"
    "骥驰千里一二三天地日星辰昊旭阳炎烨煜炜炫灿焕坤乾震巍峰岩石磐玮珂珍珠璐璇璟瑛瑜琛琨玥琰宝君卿雅诗书画琴韵心意"
    "情慧聪颖睿哲思念恩惠淑仪容貌美娇艺菲芷若兮汐沐沁沛泓润淼源渊溪河江湖波涌潮泉淳渝润洲宸安定宽宗祖绍继承启振"
    "邦治政权传家和谐祥吉喜乐欢笑悦瑞益富财发根本来运连继先后全有余希望冬夏莹芸芹芝苗茹莘荷菊萌蓉蓓蕊蕾薇藤兴丹"
    "彤紫翠碧苍黎曦曼晗晴智景晖晓昕昱映春昭显晟暄暖乐乔义亚京亦仕仙以任伊伦传伯佑佩侠保信倩倪健儒元充兆先克免全"
    "公兰冠冰凌凝利前力功加劲勋化卓南占卫厚原又双可史叶司向君吟吴呈周咏品哲唯嘉圆圣均培基增士壮声夏夫奇奕好如妙妮"
    "姗姣姿威娅婧婵媚嫣孝孟季宜实容寒寿尔尚尧展岳崇川工巧帅希帝常平年庭廷开弘彦彪彬影律得微必怀恒恬悠愉成戈才抒拓"
    "拥振捷政效敬斯方施旋无时昂昌易春是智曙更曼最月朔朗杉材来杨极枝柳柔标格桃桦梓棋楚榕檀歌正殊毓水永求汉池汝沙治"
    "泰洁洋洪津浪润涛淇淋清渊温满滢漫灵炳点烁烽热照熙爽牧特狄珏班理琅琬瑗瑶璋瓅生田甫留畅白皓益盈盼知硕秉秋秦稳穆"
    "立竹端笛筠签简素索红约纯纲纳纶练织经绢统绮维绿缘群羽翰耀聿胤致舟航艳芃芊芙芮芯芽茂茵草荃莉莎莞菀萃萍葆葵蒙蓝蔓"
    "虹蝶行衍裕西言训诺谊谦谨贝贞贤赫超越跃路軒轶辛迅迎迪逸通道郁邈采鉴钊钦铎银锡锦镇镜长闯阔陶隽雄雁雷霄霆霏霓露"
    "靖静非韬韶颂领风飒馨驹鲁麒黛默齐龄"
)
# What ends the name of a place, an office or a type of problem, and hardly ever a person's.
_ENDS: Final = frozenset(
    "村镇乡区市县省州盟旗路街道巷弄里庄屯寨堡营湾桥港湖河溪沟塘坑井岭岗坡坝岛滩口嘴汇园苑院寺庙塔厂站场馆店铺局处"
    "科所室股队部办委会组厅中门楼房厦库矿校社坊宅府头角尾甸集墩圩埠滘涌涧坪坂垸窑闸渡关城类型项目级号段线面点带层"
    "灯水电气管网车树草土石路牌箱盖坏损漏堵停占乱脏差臭吵响费款证照税险保障理务修护造建设划规咨询诉求报案件池田地"
)
# Ends both: 万平 is a person or a town. Such a value counts only beside clearer ones.
_EITHER_ENDS: Final = frozenset("江山泉海林平阳宁安川庭轩洲华东南西北原和兴")
_AFTER_HOME: Final = frozenset("豪乐伟明辉俊瑞兴宁欣琪玮成栋祥强良庆华宝铭骏诚琳慧怡")
_WORDS: Final = re.compile(
    "破损|损坏|积水|停水|停电|漏水|噪音|噪声|扰民|占道|经营|停车|违建|违停|垃圾|清运|井盖|路灯|绿化|物业|投诉|咨询|举报|建议|"
    "求助|拖欠|工资|社保|医保|教育|就业|收费|消费|纠纷|食品|安全|环境|卫生|污染|油烟|供暖|供热|供水|供电|供气|燃气|公交|地铁|"
    "出租|施工|工地|房产|拆迁|补偿|户籍|户口|办证|执法|治安|管理|服务|维修|维护|设施|故障|缺失|修复|改造|建设|规划|交通|道路|"
    "城管|城市|农业|林业|水利|民政|公安|财政|文化|旅游|体育|医疗|养老|残疾|低保|救助|宠物|流浪|白蚁|高空|高新|高铁|高速|高架|"
    "开发|经济|工业|产业|新城|新区|新村|中心|大队|支队|中队|街道|社区|小区|广场|公园|学校|医院|大道|大厦|花园|家园|黄土|石材|"
    "田间|林木|古树|康复|文明|方便|成品|解决|强制|安置|平安|和平|幸福|胜利|解放|建国门|万达|万科|龙头|马路|牛奶|金融|成人"
)
_TITLES: Final = "先生|女士|小姐|太太|同志"
# With a title, a surname that is a word as well is a surname.
_ANY_SURNAME: Final = f"(?:{_COMPOUND}|[路房管单包应{''.join(sorted(_SURNAMES))}])"
_TITLED: Final = re.compile(
    rf"{_ANY_SURNAME}[\u4e00-\u9fff]{{0,2}}(?:{_TITLES})(?=$|[^\u4e00-\u9fff]|的|来电|反映|投诉|咨询|表示|说|称|住)"
    rf"|^(?:{_COMPOUND}|[{''.join(sorted(_TOP_SURNAMES))}])"
    r"(?:师傅|老师|阿姨|大爷|大妈|大姐|大哥|大叔|奶奶|爷爷|叔叔|书记|主任|局长|科长|医生|警官|律师)$"
)
_MASKED: Final = re.compile(
    rf"^{_ANY_SURNAME}(?:某{{1,2}}|[*×✕]{{1,3}}|[xX]{{2}})[\u4e00-\u9fff]?$|^{_ANY_SURNAME}[\u4e00-\u9fff][*×]$"
)
_CHINESE_NAME: Final = re.compile(r"[\u4e00-\u9fff]{2,4}")
_COMPOUND_NAME: Final = re.compile(rf"(?:{_COMPOUND})([\u4e00-\u9fff]{{1,2}})")

# ---- English ----

_FIRST: Final = words_of(
    """
    james john robert michael william david richard joseph thomas charles christopher daniel matthew anthony donald
    steven paul andrew joshua kenneth kevin brian george timothy ronald edward jason jeffrey ryan jacob gary
    nicholas eric jonathan stephen larry justin scott brandon benjamin samuel gregory alexander patrick raymond
    dennis jerry tyler aaron jose henry adam douglas nathan peter zachary kyle walter noah jeremy ethan harold carl
    keith roger gerald arthur sean lawrence albert austin jesse joe bryan billy bruce ralph roy eugene louis philip
    bobby johnny randy howard vincent russell alan juan gabriel wayne elijah carlos jordan liam mason logan lucas
    oliver aiden jackson caleb isaac luke connor evan dylan cameron adrian julian oscar leo leon martin victor
    ernest phillip todd jimmy antonio danny luis mike stanley leonard dale manuel rodney curtis norman marvin glenn
    jeff travis melvin alfred francis bradley jesus herbert frederick ray joel edwin don eddie ricky troy randall
    barry bernard mario leroy francisco marcus micheal theodore clifford miguel jim tom calvin bill lloyd tommy
    warren darrell jerome floyd alvin tim gordon greg jorge duane derrick dan lewis pedro derek corey elmer maurice
    brent clarence vernon ramon tyrone hector angel lester gilbert ivan cory reginald andre franklin chester
    nathaniel cecil milton leslie edgar ruben jay wesley shawn allen fred cesar ricardo roberto fernando eduardo
    javier diego alejandro rafael sergio armando arturo enrique julio raul alberto jaime mohammed muhammad ahmed ali
    omar hassan ibrahim abdul yusuf amir raj sanjay rahul anil sunil vijay wei ming finn declan brendan colin ian
    nigel graham stuart malcolm angus hamish gareth owen rhys simon mary patricia jennifer linda elizabeth barbara
    susan jessica sarah karen lisa nancy betty margaret sandra ashley kimberly emily donna michelle carol amanda
    dorothy melissa deborah stephanie rebecca sharon laura cynthia kathleen amy angela shirley anna brenda pamela
    emma nicole helen samantha katherine christine debra rachel carolyn janet catherine maria heather diane ruth
    julie olivia joyce virginia victoria kelly lauren christina joan evelyn judith megan andrea cheryl hannah
    jacqueline martha gloria teresa ann sara madison frances kathryn janice jean abigail alice julia judy sophia
    grace denise amber doris marilyn danielle beverly isabella theresa diana natalie brittany charlotte marie kayla
    alexis lori alexandra tiffany kathy tammy irene jane mildred katie rita norma paula lillian annie lucille edna
    gladys ethel ellen elaine marjorie carrie juanita esther pauline clara florence phyllis edith louise wanda
    bonnie ruby connie wilma lois tracy gina josephine dolores stella sylvia yvonne vanessa veronica monica regina
    renee suzanne leah erin vicki valerie alma jeanne bertha sheila jill geraldine marion elsie loretta roberta
    audrey sally ana rosa guadalupe luz carmen lucia elena sofia camila valentina gabriela mariana alejandra adriana
    beatriz rosario esperanza silvia leticia fatima aisha priya anita sunita deepa lakshmi mei ling ying yan hui
    fang siobhan aoife niamh fiona moira eileen bridget maureen colleen kristen kristin erica tara dana holly
    jasmine tanya kristina stacy marcia vera wendy robin tina gail darlene jodi becky melanie lynn lindsay courtney
    allison natasha whitney claire chloe zoe mia chad brad doug ken ron rick rob bob pete steve dave chris matt nick
    alex sam ben max jack harry liz beth kate sue peggy molly maggie jenny cindy debbie terri patty vicky nicki
    trish
    """
)
# A given name too, and as often a place, or a word that types of problem begin with: "Will call", "Bill payment".
_NO_FIRST: Final = words_of(
    """
    austin jordan madison jackson logan mason franklin florence virginia charlotte lincoln warren jay ray don dale
    bill sue grace ruby amber robin holly angel rosario rob ana max ling ying yan hui fang wei ming mei
    """
)
# What streets, places, offices and types of problem are called.
_PLACE_WORDS: Final = words_of(
    """
    street st avenue ave road rd boulevard blvd drive dr lane ln court ct place pl terrace way parkway square sq
    circle highway alley row plaza park parks plain plains hill hills height heights village villages center centre
    district department dept division div office school schools library hospital clinic bridge river lake beach
    island islands point harbor harbour bay north south east west northeast northwest southeast southwest end side
    town township county city ward neighborhood neighbourhood house houses hall church cathedral airport station
    yard garden gardens field fields woods forest creek valley ridge mount mountain fort port bureau agency unit
    team service services works commission authority board police fire health housing water sewer transport transit
    academy college university high middle elementary primary campus museum theatre theater tower towers apartments
    estate estates manor homes project projects playground pool rink cemetery memorial monument market mall common
    commons green crossing junction corner corners landing springs spring falls run branch grove glen dale view
    vista oaks oak pines elm mill mills farm farms ranch request requests complaint complaints repair repairs
    removal outage outages damage light lights signal signals sign signs trash waste noise dead animal animals issue
    issues report order of the and for with at in on by to new old upper lower greater little big inc llc co company
    corp group association trust foundation society council committee headquarters depot garage shop shops store
    stores area zone region sector precinct quarter quarters line expressway freeway tunnel pier wharf dock docks
    canal reservoir dam basin marsh meadow meadows crest gate gates ville burgh borough bluff bluffs addition
    subdivision tract block blocks triangle loop
    """
)
_WORD: Final = re.compile(r"[A-Za-zÀ-ÿ][A-Za-zÀ-ÿ'’-]*")
_SUFFIX: Final = words_of(
    """
    jr sr ii iii iv esq md phd
    """
)
_TITLE: Final = re.compile(
    r"(?<![A-Za-z])(?:Mr|Mrs|Ms|Miss|Mx|MR|MRS)\.?\s+[A-Z][A-Za-zÀ-ÿ'’-]+(?!\w)|(?<![A-Za-z])MS\.\s+[A-Z]{2}"
)
_LAST_FIRST: Final = re.compile(
    r"([A-Za-zÀ-ÿ'’-]{2,}(?:\s[A-Za-zÀ-ÿ'’-]+)?),\s*([A-Za-zÀ-ÿ'’-]{2,})(?:\s+[A-Za-z]\.?|\s+[A-Za-zÀ-ÿ'’-]+)?"
)

Looks = Literal["clear", "likely", "short"]


def person_kind(text: str) -> str | None:
    """`A_NAME` if `text` (NFKC) holds a name in a form that nothing else has; else None."""
    if text.isascii():
        return A_NAME if _TITLE.search(text) or _is_last_first(text) else None
    return A_NAME if _TITLED.search(text) or _MASKED.match(text) or _TITLE.search(text) else None


def _is_last_first(text: str) -> bool:
    found = _LAST_FIRST.fullmatch(text)
    if found is None:
        return False
    last, first = found[1].lower(), found[2].lower()
    return first in _FIRST - _NO_FIRST and not set(last.split()) & _PLACE_WORDS


def names_among(values: Sequence[str]) -> list[bool]:
    """Which of the distinct values of a column are names of persons; none, if the column holds places or offices.

    Chinese: half of the values look like names and a quarter clearly do, or five values that are an eighth of all
    do clearly. English: half of the values are two or three words with a frequent given name at the right place, and at
    least three are, or a third and at least five; or three fifths are given names alone, and at least five.
    """
    if not values:
        return []
    chinese = [_chinese(value) for value in values]
    if _is_chinese_column(chinese):
        named = [looks is not None for looks in chinese]
        return [_has_chinese_shape(value) for value in values] if _is_all(named) else named
    english = [_is_english(value) for value in values]
    if sum(english) >= 3 and sum(english) >= (0.5 if sum(english) < 5 else 0.35) * len(values):
        return [len(_words(value)) in (2, 3) or "," in value for value in values] if _is_all(english) else english
    single = [value.lower() in _FIRST - _NO_FIRST for value in values]
    if sum(single) >= 5 and sum(single) >= 0.6 * len(values):
        return single
    return [False] * len(values)


def _is_all(named: Sequence[bool]) -> bool:
    """Whether a column holds little but names, so that a rare one beside so many others is one too."""
    return sum(named) >= 0.75 * len(named)


def _is_chinese_column(looks: Sequence[Looks | None]) -> bool:
    clear, likely, short = (looks.count(kind) for kind in ("clear", "likely", "short"))
    if clear >= 5 and clear >= 0.125 * len(looks):
        return True
    if clear and clear >= 0.25 * len(looks) and clear + likely + short >= 0.5 * len(looks):
        return True
    # Names of two characters only: rarer, and more like names of places.
    return short >= 5 and clear + likely + short >= 0.75 * len(looks)


def _has_chinese_shape(value: str) -> bool:
    return bool(_CHINESE_NAME.fullmatch(value)) and value[-1] not in _ENDS and _WORDS.search(value) is None


def _chinese(value: str) -> Looks | None:
    if not _has_chinese_shape(value):
        return None
    compound = _COMPOUND_NAME.fullmatch(value)
    if compound is not None:
        return "clear" if any(letter in _GIVEN for letter in compound[1]) else "likely"
    known = value[0] in _SURNAMES and len(value) < 4
    return _given(value[0], value[1:]) if known else None


def _given(surname: str, given: str) -> Looks | None:
    good = sum(letter in _GIVEN for letter in given)
    # 李家村, 何家沟 and 傅家边 are villages; 李家豪 is a boy.
    village = given[0] == "家" and given[1:] not in _AFTER_HOME
    if not good or village or (len(given) == 1 and given in _EITHER_ENDS):
        return None
    if len(given) == 1:
        return "short"
    clear = good == 2 and surname in _TOP_SURNAMES and given[-1] not in _EITHER_ENDS
    return "clear" if clear else "likely"


def _is_english(value: str) -> bool:
    if "," in value:
        return _is_last_first(value)
    words = _words(value)
    if len(words) not in (2, 3):
        return False
    return words[0] in _FIRST - _NO_FIRST or (len(words) == 2 and words[1] in _FIRST - _NO_FIRST)


def _words(value: str) -> list[str]:
    """The words of what could be a name, without initials and what follows a name; none where it could not."""
    if len(value) > 40 or any(letter.isdigit() or letter in "/&:;()_," for letter in value):
        return []
    words = [word.strip(".").lower() for word in value.split()]
    words = [word for word in words if len(word) > 1 and word not in _SUFFIX]
    good = all(_WORD.fullmatch(word) for word in words) and not set(words) & _PLACE_WORDS
    return words if good else []
